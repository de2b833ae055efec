import { scopeSetCookie } from './cookies.ts';
import { allowedInTrailer } from './headers.ts';
import type { ResponseHead } from './upstream/response-head.ts';

export interface ResponseScope {
  /** The domain that all sandboxes are below. */
  readonly domain: string;
  /** `/_sb/LABEL` where the client came by that path, else empty. */
  readonly prefix: string;
  /** Value of Strict-Transport-Security, where the client came by TLS and the operator wants it. */
  readonly hsts: string | undefined;
}

/**
 * All sandboxes reached by `/_sb/` share the edge's own origin in a browser. This gives each page an origin of its own,
 * so that one can't read another; what needs cookies or storage is used by its own host name.
 */
const SHARED_ORIGIN_POLICY = 'sandbox allow-scripts allow-forms allow-modals allow-popups allow-downloads';

/** The header of a sandbox's answer as the client gets it: kept to this sandbox, and with what the edge says itself. */
export function clientHeaders(head: ResponseHead, scope: ResponseScope): string[] {
  const { prefix, hsts } = scope;
  const looked = head.hasCookie || head.hasLocation || hsts !== undefined;
  const headers = looked ? scoped(head.headers, scope) : head.headers;
  if (head.length >= 0 && head.status !== 204) headers.push('Content-Length', String(head.length));
  if (prefix !== '') headers.push('Content-Security-Policy', SHARED_ORIGIN_POLICY);
  if (hsts !== undefined) headers.push('Strict-Transport-Security', hsts);
  return headers;
}

/** Cookies kept to this sandbox and, where the client came by path prefix, redirects below it. */
function scoped(headers: readonly string[], { domain, prefix, hsts }: ResponseScope): string[] {
  const kept: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] as string;
    let value: string | undefined = headers[at + 1] as string;
    const lower = name.toLowerCase();
    if (lower === 'set-cookie') value = scopeSetCookie(value, { domain, prefix });
    else if (lower === 'location' && prefix !== '' && /^\/(?![/\\])/.test(value)) value = prefix + value;
    else if (lower === 'strict-transport-security' && hsts !== undefined) continue;
    if (value !== undefined) kept.push(name, value);
  }
  return kept;
}

/** The header of the answer to an upgrade. */
export const upgradeHeaders = (head: ResponseHead, scope: ResponseScope): string[] =>
  head.hasCookie || head.hasLocation ? scoped(head.headers, scope) : [...head.headers];

export function trailerPairs(trailers: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let at = 0; at + 1 < trailers.length; at += 2) {
    const name = trailers[at] as string;
    if (allowedInTrailer(name)) list.push([name, trailers[at + 1] as string]);
  }
  return list;
}
