/**
 * Cookies that belong to Arc have names beginning with this. Cookies know no ports, so a browser that is signed in to
 * Arc on `localhost` sends them here too: they never reach a sandbox, and no sandbox can set one.
 */
export const ARC_COOKIE_PREFIX = 'arc_';
const RESERVED = /^(?:__Host-|__Secure-)?arc_/i;

/** The Cookie header without Arc's own; undefined where nothing is left. */
export function withoutArcCookies(value: string): string | undefined {
  // Almost every request takes this way out.
  if (!value.toLowerCase().includes(ARC_COOKIE_PREFIX)) return value;
  const kept = value.split(';').filter((pair) => !RESERVED.test(pair.trimStart()));
  return kept.length === 0 ? undefined : kept.join(';').trim() || undefined;
}

export interface CookieScope {
  /** The domain that all sandboxes are below. */
  readonly domain: string;
  /** `/_sb/LABEL` where the client came by that path, else empty. */
  readonly prefix: string;
}

/**
 * A Set-Cookie of a sandbox, kept to that sandbox: one for the whole domain would be sent to its neighbours, so such
 * a Domain attribute is dropped (the cookie is then for the sandbox's own host); by path prefix, the path is kept
 * below it. Undefined: not to be passed on at all.
 */
export function scopeSetCookie(value: string, scope: CookieScope): string | undefined {
  if (RESERVED.test(value.trimStart())) return undefined;
  if (scope.prefix === '' && !/;\s*domain\s*=/i.test(value)) return value;
  const [pair = '', ...attributes] = value.split(';');
  let path = '/';
  const kept = [pair];
  for (const attribute of attributes) {
    const equals = attribute.indexOf('=');
    const name = (equals < 0 ? attribute : attribute.slice(0, equals)).trim().toLowerCase();
    const content = equals < 0 ? '' : attribute.slice(equals + 1).trim();
    if (name === 'domain' && (scope.prefix !== '' || reachesNeighbours(content, scope.domain))) continue;
    if (name === 'path' && scope.prefix !== '') {
      if (content.startsWith('/')) path = content;
      continue;
    }
    kept.push(attribute);
  }
  if (scope.prefix !== '') kept.push(` Path=${scope.prefix}${path}`);
  return kept.join(';');
}

function reachesNeighbours(cookieDomain: string, domain: string): boolean {
  const name = cookieDomain.toLowerCase().replace(/^\./, '').replace(/\.$/, '');
  return name === '' || domain === name || domain.endsWith(`.${name}`);
}
