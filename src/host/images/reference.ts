import { ArcError } from '../../contract/errors.ts';

/** What an image name stands for. Names are read as Docker reads them; nothing else of an address can be chosen by it. */
export interface Reference {
  /** As people write it: `docker.io`, `localhost:5000`. */
  readonly registry: string;
  /** Where its API is, `https://registry-1.docker.io`. Plain HTTP for loopback only. */
  readonly origin: string;
  readonly loopback: boolean;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
  /** The whole name again, with what was left out filled in. */
  readonly text: string;
}

const HOST =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]{2,39}\])(?::[0-9]{1,5})?$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
export const DIGEST = /^sha256:[0-9a-f]{64}$/;
const REFERENCE_CHARS_MAX = 512;
const REPOSITORY_CHARS_MAX = 255;

export function parseReference(image: string): Reference {
  const bad = (why: string) => new ArcError('invalid_request', `image ${JSON.stringify(image.slice(0, 200))}: ${why}`);
  if (image.length > REFERENCE_CHARS_MAX) throw bad(`longer than ${REFERENCE_CHARS_MAX} characters`);

  const at = image.indexOf('@');
  const digest = at === -1 ? undefined : image.slice(at + 1);
  if (digest !== undefined && !DIGEST.test(digest)) throw bad('the digest is not sha256 and 64 hex digits');
  let name = at === -1 ? image : image.slice(0, at);

  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  const named = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase();
  const registry = named ? first : 'docker.io';
  if (!HOST.test(registry)) throw bad('the registry is not a host name with an optional port');
  if (named) name = name.slice(slash + 1);

  const colon = name.lastIndexOf(':');
  const tag = colon === -1 ? undefined : name.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) throw bad('the tag is not valid');
  if (colon !== -1) name = name.slice(0, colon);
  if (registry === 'docker.io' && !name.includes('/')) name = `library/${name}`;
  if (name.length > REPOSITORY_CHARS_MAX || !REPOSITORY.test(name)) throw bad('the repository name is not valid');

  const api = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
  if (!URL.canParse(`https://${api}`)) throw bad('the registry is not an address');
  const loopback = isLoopback(new URL(`https://${api}`).hostname);
  const chosen = digest === undefined ? { tag: tag ?? 'latest' } : { digest, ...(tag === undefined ? {} : { tag }) };
  return {
    registry,
    origin: `${loopback ? 'http' : 'https'}://${api}`,
    loopback,
    repository: name,
    ...chosen,
    text: `${registry}/${name}${chosen.tag === undefined ? '' : `:${chosen.tag}`}${digest === undefined ? '' : `@${digest}`}`,
  };
}

/** Of a URL's `hostname`, which the URL parser has already brought to one form (`127.1` → `127.0.0.1`). */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname);
}
