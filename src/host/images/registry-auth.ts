import { ArcError } from '../../contract/errors.ts';

/** The `WWW-Authenticate` side of the distribution API: which proof a registry wants. */

export interface Challenge {
  readonly scheme: 'basic' | 'bearer';
  readonly realm?: string;
  readonly service?: string;
  readonly scope?: string;
}

const HEADER_CHARS_MAX = 4096;

/** Reads the first challenge of a kind that we can answer; `undefined` when there is none. */
export function parseChallenge(header: string | null): Challenge | undefined {
  if (header === null || header.length > HEADER_CHARS_MAX) return undefined;
  const match = /(?:^|,\s*)(basic|bearer)(?:\s+|$)/i.exec(header);
  if (!match?.[1]) return undefined;
  const fields: Record<string, string> = {};
  const rest = header.slice(match.index + match[0].length);
  for (const [, key, quoted, plain] of rest.matchAll(/([a-z]+)=(?:"([^"]*)"|([^",\s]+))/gi)) {
    if (key !== undefined) fields[key.toLowerCase()] ??= quoted ?? plain ?? '';
  }
  const { realm, service, scope } = fields;
  return {
    scheme: match[1].toLowerCase() === 'basic' ? 'basic' : 'bearer',
    ...(realm === undefined ? {} : { realm }),
    ...(service === undefined ? {} : { service }),
    ...(scope === undefined ? {} : { scope }),
  };
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export function basicHeader(credentials: Credentials): string {
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
}

/** Where to ask for a token. The registry names the address; what may be asked there is the caller's check. */
export function tokenUrl(challenge: Challenge, repository: string): URL {
  if (challenge.realm === undefined || !URL.canParse(challenge.realm)) {
    throw new ArcError('registry_unreachable', 'the registry asks for a token but does not say where to get one');
  }
  const url = new URL(challenge.realm);
  if (challenge.service !== undefined) url.searchParams.set('service', challenge.service);
  url.searchParams.set('scope', challenge.scope ?? `repository:${repository}:pull`);
  return url;
}

export function readToken(body: Uint8Array): string {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(body));
    if (typeof parsed === 'object' && parsed !== null) {
      const fields = parsed as Record<string, unknown>;
      const token = fields.token ?? fields.access_token;
      if (typeof token === 'string' && /^[!-~]+$/.test(token)) return token;
    }
  } catch {
    // Said below: what came is not a token.
  }
  throw new ArcError('registry_unreachable', 'the token service answered without a token');
}
