import type { IncomingHttpHeaders } from 'node:http';
import { ArcError } from '../../../contract/errors.ts';
import { LINK_SECRET_PREFIX } from '../../../contract/schemas/link.ts';
import type { Caller, Keys, Links, Sessions } from '../../service.ts';
import { KEY_CHARS_MAX } from '../limits.ts';
import { type Access, allows } from './access.ts';
import { requireLinkAccess } from './link-access.ts';
import type { Rates } from './rates.ts';
import { isApart, requireOwnPage, sessionSecret } from './session.ts';

/** The subprotocol a browser's WebSocket offers beside `bearer.KEY`, since it can not send headers. */
export const SUBPROTOCOL = 'arc.v1';

export interface AuthDeps {
  readonly keys: Keys;
  readonly sessions: Sessions;
  readonly links: Links;
  readonly urls: { readonly domain: string };
  readonly rates: Rates;
}

/** What is asked for, as the table of `access.ts` names it. */
export interface Asked {
  readonly access: Access;
  readonly method: string;
  readonly route: string;
  /** The sandbox in the path. */
  readonly id: string | undefined;
  readonly upgrade: boolean;
  readonly headers: IncomingHttpHeaders;
  /** Where it comes from. */
  readonly address: string | undefined;
}

/** By key, by link, or by the console's cookie. Never from the URL: addresses end up in logs, histories and `Referer`. */
export async function authenticate(deps: AuthDeps, asked: Asked): Promise<Caller | null> {
  const caller = await identify(deps, asked);
  if (caller !== null) authorize(deps, caller, asked);
  return caller;
}

/** Who asks; whether they may is said by `authorize`. */
export async function identify(deps: AuthDeps, asked: Asked): Promise<Caller | null> {
  if (asked.access === 'public' || asked.access === 'own') return null;
  const found = await callerFrom(deps, asked).catch((error) => {
    if (error instanceof ArcError && error.code === 'unauthorized') deps.rates.unknown(asked.address);
    throw error;
  });
  return asked.address === undefined ? found : { ...found, from: asked.address };
}

/** Throws rate_limited, forbidden. */
export function authorize({ rates }: AuthDeps, caller: Caller, asked: Asked): void {
  rates.known(caller);
  if (!allows(caller, asked.access)) throw new ArcError('forbidden', `this needs the scope ${asked.access}`);
  requireLinkAccess(caller, asked.method === 'HEAD' ? 'GET' : asked.method, asked.route, asked.id);
}

async function callerFrom(deps: AuthDeps, asked: Asked): Promise<Caller> {
  const { headers } = asked;
  const secret = secretOf(headers);
  if (secret !== undefined) {
    if (secret.length > KEY_CHARS_MAX) throw new ArcError('unauthorized', 'the key is not valid');
    return await (secret.startsWith(LINK_SECRET_PREFIX) ? deps.links : deps.keys).authenticate(secret);
  }
  const session = sessionSecret(headers);
  if (session === undefined || !isApart(headers.host, deps.urls.domain)) {
    throw new ArcError('unauthorized', 'no `Authorization: Bearer KEY` was sent');
  }
  requireOwnPage(asked, session);
  return (await deps.sessions.authenticate(session)).caller;
}

/** Throws unauthorized for an `Authorization` that is there and is none: a cookie does not stand in for it. */
function secretOf(headers: IncomingHttpHeaders): string | undefined {
  const header = headers.authorization;
  if (header === undefined) return fromSubprotocol(headers);
  const secret = /^bearer +([!-~]+) *$/i.exec(header)?.[1];
  if (secret === undefined) throw new ArcError('unauthorized', 'no `Authorization: Bearer KEY` was sent');
  return secret;
}

function fromSubprotocol(headers: IncomingHttpHeaders): string | undefined {
  if (headers.upgrade === undefined) return undefined;
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((part) => part.trim());
  if (!offered.includes(SUBPROTOCOL)) return undefined;
  return offered.find((part) => part.startsWith('bearer.'))?.slice('bearer.'.length) || undefined;
}
