import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { ArcError } from '../../../contract/errors.ts';
import { base32 } from '../../../contract/ids.ts';
import { hostName } from './hosts.ts';

/** The console's session: a cookie, and what keeps other pages from using it. */

/** The edge lets no cookie of this prefix through in either direction. */
const COOKIE = 'arc_session';
const CSRF_BYTES = 16;
/** The subprotocol that carries the token of a WebSocket, which can send no header of its own. */
const CSRF_PROTOCOL = 'csrf.';

/** Cookies know no ports: two Arcs on one address have two names. Over TLS no other name of the domain can set it. */
export function cookieName(headers: IncomingHttpHeaders): string {
  const port = /:([0-9]{1,5})$/.exec(headers.host ?? '')?.[1] ?? '';
  return `${isSecure(headers) ? '__Host-' : ''}${COOKIE}${port}`;
}

export function setCookie(headers: IncomingHttpHeaders, secret: string, seconds: number): string {
  const flags = ['Path=/', 'HttpOnly', 'SameSite=Strict', `Max-Age=${seconds}`];
  return [`${cookieName(headers)}=${secret}`, ...flags, ...(isSecure(headers) ? ['Secure'] : [])].join('; ');
}

/** The secret in the cookie. The name that TLS protects comes first; a browser sends the other one by plain HTTP only. */
export function sessionSecret(headers: IncomingHttpHeaders): string | undefined {
  const port = /:([0-9]{1,5})$/.exec(headers.host ?? '')?.[1] ?? '';
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim());
  const named = (name: string) => pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
  return named(`__Host-${COOKIE}${port}`) ?? named(`${COOKIE}${port}`);
}

/** Made from the secret, so nothing more is kept. Who knows it has read an answer that only our own origin can read. */
export function csrfToken(secret: string): string {
  return base32(createHash('sha256').update(`csrf:${secret}`).digest().subarray(0, CSRF_BYTES));
}

export interface CookieUse {
  readonly method: string;
  readonly upgrade: boolean;
  readonly headers: IncomingHttpHeaders;
}

/**
 * May the cookie speak for this request? Only pages of our own origin: what changes anything, and every WebSocket, must
 * bring the token; what only reads may instead be said by the browser to come from here, such as a download.
 */
export function requireOwnPage(use: CookieUse, secret: string): void {
  refuseForeign(use.headers);
  if (tokenOf(use) === csrfToken(secret)) return;
  const reads = !use.upgrade && (use.method === 'GET' || use.method === 'HEAD');
  if (reads && use.headers['sec-fetch-site'] === 'same-origin') return;
  throw refused('the `Arc-Csrf` of this session was not sent');
}

/** What the browser itself says about who asks must name our own origin, wherever it says anything. */
export function refuseForeign(headers: IncomingHttpHeaders): void {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') throw refused(`a page of another origin asked (${site})`);
  const { origin } = headers;
  if (origin !== undefined && originHost(origin) !== headers.host?.toLowerCase()) {
    throw refused('a page of another origin asked');
  }
}

/**
 * Is this name on no site with the sandboxes? On one that is, their pages could set cookies for it, and the browser
 * would count their requests as our own.
 */
export function isApart(header: string | undefined, domain: string): boolean {
  const name = header === undefined ? undefined : hostName(header);
  if (name === undefined) return false;
  return name !== domain && !name.endsWith(`.${domain}`) && !domain.endsWith(`.${name}`);
}

function tokenOf({ upgrade, headers }: CookieUse): string | undefined {
  if (!upgrade) return typeof headers['arc-csrf'] === 'string' ? headers['arc-csrf'] : undefined;
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((part) => part.trim());
  return offered.find((part) => part.startsWith(CSRF_PROTOCOL))?.slice(CSRF_PROTOCOL.length);
}

/** Browsers say the scheme that they see; a proxy that ends TLS is none of our connection. */
function isSecure(headers: IncomingHttpHeaders): boolean {
  return headers.origin?.startsWith('https://') === true;
}

function originHost(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

function refused(detail: string): ArcError {
  return new ArcError('forbidden', detail, { hint: 'Use the console from its own address, or send a key.' });
}
