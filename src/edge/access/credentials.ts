import { TOKEN_HEADER, TOKEN_QUERY } from '../../contract/access.ts';
import { type ClientRequest, isSecure } from '../front/client.ts';
import type { Destination } from '../resolve.ts';

/** Tokens that one request is looked at for; more are no honest client's. */
const COOKIES_MAX = 8;

/**
 * The cookie that holds a token: for this host only, out of reach of scripts, and taken away before a sandbox sees the
 * request. `__Host-` makes browsers refuse one that a page of a neighbour sets for the whole domain; without TLS there
 * is no such protection, but a cookie without a valid MAC counts for nothing.
 */
export function cookieName(secure: boolean, prefix: string): string {
  if (!secure) return 'arc_access';
  return prefix === '' ? '__Host-arc_access' : '__Secure-arc_access';
}

export function setCookie(request: ClientRequest, prefix: string, token: string, seconds: number): string {
  const secure = isSecure(request);
  const life = `Path=${prefix === '' ? '/' : prefix}; Max-Age=${Math.max(1, Math.floor(seconds))}`;
  return `${cookieName(secure, prefix)}=${token}; ${life}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
}

/** The tokens that a request brings along by itself: its header, then its cookies. */
export function tokensOf(request: ClientRequest, prefix: string): readonly string[] {
  const tokens: string[] = [];
  const raw = request.rawHeaders;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    if ((raw[at] as string).toLowerCase() === TOKEN_HEADER) tokens.push(raw[at + 1] as string);
  }
  const begins = `${cookieName(isSecure(request), prefix)}=`;
  for (const pair of request.headers.cookie?.split(';') ?? []) {
    const text = pair.trim();
    if (text.startsWith(begins)) tokens.push(text.slice(begins.length));
  }
  return tokens.slice(0, COOKIES_MAX);
}

/** The token in the query, and the path without it. */
export function fromQuery(path: string): { readonly token: string | undefined; readonly path: string } {
  const start = path.indexOf('?');
  if (start < 0 || !path.includes(`${TOKEN_QUERY}=`, start)) return { token: undefined, path };
  let token: string | undefined;
  const kept = path
    .slice(start + 1)
    .split('&')
    .filter((pair) => {
      if (!pair.startsWith(`${TOKEN_QUERY}=`)) return true;
      token ??= pair.slice(TOKEN_QUERY.length + 1);
      return false;
    });
  return { token, path: kept.length === 0 ? path.slice(0, start) : `${path.slice(0, start)}?${kept.join('&')}` };
}

/** A place on this same host to go to after signing in; whatever could lead elsewhere is the first page. */
export function localPath(text: string | null): string {
  return text !== null && /^\/(?![/\\])[!-~]{0,2047}$/.test(text) ? text : '/';
}

/** Where the client is to go after its token was taken: the same place, as it is called from outside. */
export const placeOf = (destination: Destination, path: string): string => {
  // Two slashes at the beginning would name another host.
  const rest = path.startsWith('/') ? `/${path.replace(/^[/\\]+/, '')}` : '/';
  return `${destination.prefix}${rest}`;
};
