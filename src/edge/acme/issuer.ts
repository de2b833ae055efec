import type * as AcmeLibrary from 'acme-client';
import type { Identity } from '../tls/certificates.ts';
import type { DnsHook } from './dns-hook.ts';
import type { AcmeFolder } from './folder.ts';

/** Gets certificates. */
export interface Issuer {
  /** Throws in words what was refused, by whom; `AcmeRefused` where the directory says when to come again. */
  issue(names: readonly string[], signal: AbortSignal): Promise<Identity>;
}

export class AcmeRefused extends Error {
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number, options: ErrorOptions) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

export interface AcmeIssuerOptions {
  /** URL of the directory (RFC 8555). */
  readonly directory: string;
  /** For the directory's warnings. */
  readonly email: string | undefined;
  readonly folder: AcmeFolder;
  /** Proves by DNS-01, which wildcards need; without it by HTTP-01. */
  readonly dns: DnsHook | undefined;
  /** Answers of HTTP-01 by token, which the edge gives. */
  readonly challenges: Map<string, string>;
  /** Least wait between two looks whether the directory is done, ms. */
  readonly pollMs?: number;
}

const POLL_MS = 2_000;
const POLL_MOST_MS = 15_000;
const REQUEST_MS = 30_000;
const ANSWER_BYTES = 1024 ** 2;

/** By an ACME directory (RFC 8555). Its terms of service are agreed to: who makes one has asked the operator. */
export class AcmeIssuer implements Issuer {
  readonly #options: AcmeIssuerOptions;

  constructor(options: AcmeIssuerOptions) {
    this.#options = options;
  }

  async issue(names: readonly string[], signal: AbortSignal): Promise<Identity> {
    const { directory, email, folder, pollMs } = this.#options;
    const library = await loadLibrary();
    const { crypto } = library;
    const accountKey = await folder.accountKey(directory, async () =>
      (await crypto.createPrivateEcdsaKey()).toString(),
    );
    const client = new library.Client({
      ...{ directoryUrl: directory, accountKey },
      ...{ backoffMin: pollMs ?? POLL_MS, backoffMax: POLL_MOST_MS },
    });
    const [key, csr] = await crypto.createCsr({ altNames: [...names] }, await crypto.createPrivateEcdsaKey());
    const { stop, retryAfterMs } = listenForRetryAfter(library);
    const undo: (() => Promise<void> | void)[] = [];
    try {
      const cert = await client.auto({
        ...{ csr, termsOfServiceAgreed: true, ...(email !== undefined && { email }) },
        challengePriority: [this.#kind],
        // The directory looks from outside; what this machine sees of its own name may be another thing.
        skipChallengeVerification: true,
        challengeCreateFn: (authorization, challenge, proof) => {
          undo.push(() => this.#clear(authorization, challenge, proof));
          return this.#prove(authorization, challenge, proof, signal);
        },
        // All at the end: a domain and its wildcard share one record name, and simple hooks remove both values at once.
        challengeRemoveFn: async () => {},
      });
      return { cert, key: key.toString() };
    } catch (cause) {
      throw new AcmeRefused(`${directory}: ${await whatFailed(cause, directory)}`, retryAfterMs(), { cause });
    } finally {
      stop();
      for (const clear of undo) await clear();
    }
  }

  get #kind(): 'dns-01' | 'http-01' {
    return this.#options.dns ? 'dns-01' : 'http-01';
  }

  async #prove(
    { identifier }: AcmeLibrary.Authorization,
    challenge: { readonly type: string; readonly token: string },
    proof: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { dns, challenges } = this.#options;
    if (challenge.type !== this.#kind) throw new Error(`no ${this.#kind} is offered for ${identifier.value}`);
    if (dns) await dns.set(recordOf(identifier.value), proof, signal);
    else challenges.set(challenge.token, proof);
  }

  #clear(
    { identifier }: AcmeLibrary.Authorization,
    challenge: { readonly token: string },
    proof: string,
  ): Promise<void> | void {
    const { dns, challenges } = this.#options;
    if (dns) return dns.clear(recordOf(identifier.value), proof);
    challenges.delete(challenge.token);
  }
}

/** Where a request is not answered at all the library breaks on the missing answer: we ask why ourselves. */
async function whatFailed(cause: unknown, directory: string): Promise<string> {
  if (!(cause instanceof TypeError)) return cause instanceof Error ? cause.message : String(cause);
  try {
    await (await fetch(directory)).body?.cancel();
    return 'a request was not answered';
  } catch (error) {
    const { message, cause: reason } = error as Error;
    return reason instanceof Error ? reason.message : message;
  }
}

const recordOf = (name: string): string => `_acme-challenge.${name}`;

/** Only where it is used: it takes longer to load than the rest of the edge. */
async function loadLibrary(): Promise<typeof AcmeLibrary> {
  const library = await import('acme-client');
  // Its own retries would wait for minutes and know nothing of ours, which are spread and say what failed.
  const { defaults } = library.axios as unknown as { defaults: Record<string, unknown> & { acmeSettings: object } };
  Object.assign(defaults.acmeSettings, { retryMaxAttempts: 0 });
  Object.assign(defaults, { timeout: REQUEST_MS, maxContentLength: ANSWER_BYTES });
  return library;
}

/** The library's errors don't hold the header: the longest that was asked for is kept. Seconds or, rarely, a date. */
function listenForRetryAfter({ axios }: typeof AcmeLibrary): {
  readonly stop: () => void;
  readonly retryAfterMs: () => number;
} {
  let longest = 0;
  const mark = axios.interceptors.response.use((response) => {
    const asked = Number(response.headers['retry-after']) * 1_000;
    if ((response.status === 429 || response.status === 503) && asked > longest) longest = asked;
    return response;
  });
  return { stop: () => axios.interceptors.response.eject(mark), retryAfterMs: () => longest };
}
