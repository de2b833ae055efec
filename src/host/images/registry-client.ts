import { ArcError } from '../../contract/errors.ts';
import type { Clock } from '../../kit/clock.ts';
import { isLoopback, type Reference } from './reference.ts';
import { basicHeader, type Credentials, parseChallenge, readToken, tokenUrl } from './registry-auth.ts';
import { Stall } from './stall.ts';

/**
 * A client of the OCI distribution API, for reading one repository.
 *
 * It is our own, where DESIGN.md prefers programs of others, because skopeo can't do what is promised here: it can't skip
 * layers that are already unpacked (its cache knows compressed blobs only), says nothing of progress unless it has a
 * terminal, and tells a missing image from a refused one in prose that differs by registry and version. Reading is
 * four GET requests; what is hard about images (whiteouts, safe unpacking) would be ours with skopeo as well.
 */

const REDIRECTS_MAX = 5;
const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;
const TOKEN_BYTES_MAX = 1024 * 1024;
const ERROR_BYTES_MAX = 64 * 1024;

const ACCEPT_MANIFEST = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

export interface RegistryOptions {
  readonly clock: Clock;
  /** Without a byte for so long the registry counts as gone. */
  readonly stallMs: number;
  readonly credentials?: Credentials;
  readonly signal: AbortSignal;
}

/** An answer whose body still flows, watched by `stall`. */
export interface Flow {
  readonly response: Response;
  readonly stall: Stall;
}

/** Codes of Node for a certificate that is nobody's we know, is of another name, or is over. */
const UNTRUSTED = /^(ERR_TLS_CERT|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/;

export class RegistryClient {
  readonly #reference: Reference;
  readonly #options: RegistryOptions;
  #authorization: string | undefined;

  constructor(reference: Reference, options: RegistryOptions) {
    this.#reference = reference;
    this.#options = options;
  }

  /** The same client for work that ends with another signal; it keeps the proof it has got. */
  withSignal(signal: AbortSignal): RegistryClient {
    const other = new RegistryClient(this.#reference, { ...this.#options, signal });
    other.#authorization = this.#authorization;
    return other;
  }

  /** @param what a tag or a digest */
  async manifest(what: string): Promise<{ readonly body: Uint8Array; readonly mediaType: string }> {
    const flow = await this.#get(`manifests/${what}`, { accept: ACCEPT_MANIFEST });
    const body = await this.#collect(flow, MANIFEST_BYTES_MAX, `the manifest ${what}`);
    return { body, mediaType: (flow.response.headers.get('content-type') ?? '').split(';')[0]?.trim() ?? '' };
  }

  async smallBlob(digest: string, bytesMax: number): Promise<Uint8Array> {
    return this.#collect(await this.#get(`blobs/${digest}`, {}), bytesMax, `the blob ${digest}`);
  }

  /** The rest of a blob from `offset` on; a registry that knows no ranges sends all of it with status 200. */
  async blob(digest: string, offset: number): Promise<Flow> {
    return this.#get(`blobs/${digest}`, offset > 0 ? { range: `bytes=${offset}-` } : {});
  }

  async #get(path: string, headers: Record<string, string>): Promise<Flow> {
    const url = new URL(`${this.#reference.origin}/v2/${this.#reference.repository}/${path}`);
    for (let attempt = 0; ; attempt += 1) {
      const flow = await this.#follow(url, headers);
      const { response } = flow;
      if (response.ok) return flow;
      const challenge = parseChallenge(response.headers.get('www-authenticate'));
      const said = await this.#errorText(flow);
      // A token can run out in the middle of a long pull, so one more is asked for at each request that is refused.
      if (response.status === 401 && challenge && attempt === 0 && (await this.#authorize(challenge))) continue;
      throw this.#refusal(response.status, path, said);
    }
  }

  async #authorize(challenge: ReturnType<typeof parseChallenge> & object): Promise<boolean> {
    const { credentials } = this.#options;
    if (challenge.scheme === 'basic') {
      if (!credentials) return false;
      const header = basicHeader(credentials);
      if (this.#authorization === header) return false;
      this.#authorization = header;
      return true;
    }
    const url = tokenUrl(challenge, this.#reference.repository);
    const flow = await this.#follow(url, {}, credentials ? basicHeader(credentials) : '');
    if (!flow.response.ok) throw this.#refusal(flow.response.status, 'token', await this.#errorText(flow));
    this.#authorization = `Bearer ${readToken(await this.#collect(flow, TOKEN_BYTES_MAX, 'the token'))}`;
    return true;
  }

  /** Redirects are followed by hand: credentials stay with the address they are for, and no address but those is asked. */
  async #follow(start: URL, headers: Record<string, string>, authorization?: string): Promise<Flow> {
    let url = start;
    for (let hop = 0; hop <= REDIRECTS_MAX; hop += 1) {
      this.#checkAddress(url);
      const proof = authorization ?? this.#authorization;
      const own = url.origin === start.origin && proof ? { authorization: proof } : {};
      const flow = await this.#send(url, { ...headers, ...own });
      const { status } = flow.response;
      const location = flow.response.headers.get('location');
      if (![301, 302, 303, 307, 308].includes(status) || location === null) return flow;
      await this.#discard(flow);
      if (!URL.canParse(location, url.href)) throw this.#unreachable('it redirects to something that is no address');
      url = new URL(location, url.href);
    }
    throw this.#unreachable(`it redirects more than ${REDIRECTS_MAX} times`);
  }

  /**
   * A registry names further addresses (token service, storage). Only a loopback registry may name loopback ones or
   * plain HTTP, so that a registry out there can't make Arc ask services of this machine or its metadata service.
   */
  #checkAddress(url: URL): void {
    const loopback = isLoopback(url.hostname);
    const fine = loopback ? this.#reference.loopback : url.protocol === 'https:';
    if (!fine || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '') {
      throw this.#unreachable(`it sends us to ${url.origin}, which is refused`);
    }
  }

  async #send(url: URL, headers: Record<string, string>): Promise<Flow> {
    const stall = new Stall(this.#options.clock, this.#options.stallMs, this.#options.signal);
    try {
      const response = await stall.watch(fetch(url.href, { headers, redirect: 'manual', signal: stall.signal }));
      return { response, stall };
    } catch (cause) {
      stall.end();
      throw this.failure(cause);
    }
  }

  /** What an error of fetch means to people. Also for bodies that break off. */
  failure(cause: unknown): unknown {
    if (this.#options.signal.aborted) return this.#options.signal.reason;
    if (cause instanceof ArcError) return cause;
    const inner = cause instanceof Error ? (cause.cause ?? cause) : cause;
    const text = inner instanceof Error ? inner.message || (inner as NodeJS.ErrnoException).code : String(inner);
    const untrusted = UNTRUSTED.test(String((inner as NodeJS.ErrnoException | undefined)?.code));
    return this.#unreachable(untrusted ? `its certificate is not trusted: ${text}` : String(text), cause, untrusted);
  }

  async #collect(flow: Flow, bytesMax: number, what: string): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let total = 0;
    try {
      for await (const chunk of flow.stall.body(flow.response)) {
        total += chunk.byteLength;
        if (total > bytesMax) throw new ArcError('image_invalid', `${what} is larger than ${bytesMax} bytes`);
        chunks.push(chunk);
      }
    } catch (cause) {
      throw this.failure(cause);
    }
    return Buffer.concat(chunks);
  }

  async #discard(flow: Flow): Promise<void> {
    flow.stall.end();
    await flow.response.body?.cancel().catch(() => {});
  }

  /** The registry's own words, if it has some; they are data and are kept short. */
  async #errorText(flow: Flow): Promise<string> {
    try {
      const body = new TextDecoder().decode(await this.#collect(flow, ERROR_BYTES_MAX, 'an error'));
      const parsed = JSON.parse(body) as { errors?: { message?: unknown }[] };
      const message = parsed.errors?.[0]?.message;
      return typeof message === 'string' ? `: ${message.slice(0, 200)}` : '';
    } catch {
      if (this.#options.signal.aborted) throw this.#options.signal.reason;
      return '';
    }
  }

  #refusal(status: number, path: string, said: string): ArcError {
    const { text, registry } = this.#reference;
    if (status === 404) return new ArcError('image_not_found', `${registry} has no ${text} (${path})${said}`);
    if (status === 401 || status === 403) {
      const why = this.#options.credentials
        ? 'refuses these credentials for'
        : 'wants credentials for, or does not have,';
      return new ArcError('registry_denied', `${registry} ${why} ${text}${said}`);
    }
    const many = status === 429 ? 'too many requests, ' : '';
    return this.#unreachable(`${many}status ${status} for ${path}${said}`);
  }

  #unreachable(why: string, cause?: unknown, untrusted = false): ArcError {
    return new ArcError('registry_unreachable', `registry ${this.#reference.registry}: ${why}`, {
      cause,
      ...(untrusted && { hint: 'For an authority of your own start Arc with NODE_EXTRA_CA_CERTS=FILE.' }),
    });
  }
}
