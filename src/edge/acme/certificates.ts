import { X509Certificate } from 'node:crypto';
import { jittered, renewalAt, type Validity } from '../../domain/renewal.ts';
import { backoff } from '../../kit/backoff.ts';
import type { Clock, Rng } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import { type CertificateSource, checkIdentity, type Identity } from '../tls/certificates.ts';
import type { AcmeFolder, AcmeState } from './folder.ts';
import { AcmeRefused, type Issuer } from './issuer.ts';

export interface AcmeCertificatesOptions {
  /** In the certificate; `*.` before the first for a wildcard. */
  readonly names: readonly string[];
  readonly directory: string;
  readonly folder: AcmeFolder;
  readonly issuer: Issuer;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
}

/** Directories take few failures an hour: four tries in the first, then fewer, and still many in what is left to renew. */
const WAITS = { firstMs: 2 * 60_000, factor: 3, maxMs: 6 * 3_600_000 };
/** Between two looks at the wall clock, which may be set; timers can't wait for months either. */
const LOOK_MS = 3_600_000;
/** What a directory asks to wait is heeded up to here. */
const RETRY_AFTER_MOST_MS = 48 * 3_600_000;

/**
 * The edge's certificate from an ACME directory, renewed while the edge runs. What is kept is used at once and for as
 * long as nothing better is there; a first one is asked for as soon as the edge answers challenges.
 */
export class AcmeCertificates implements CertificateSource {
  readonly #options: AcmeCertificatesOptions;
  readonly #closing = new AbortController();
  #use: (identity: Identity) => void = () => {};
  #until: number | undefined;
  /** Wall clock. */
  #renewAt = 0;
  /** Monotonic. */
  #notBefore = 0;
  #failures = 0;
  #waits = backoff(WAITS);

  constructor(options: AcmeCertificatesOptions) {
    this.#options = options;
  }

  async open(use: (identity: Identity) => void): Promise<void> {
    const { folder, logger, clock, names, directory } = this.#options;
    this.#use = use;
    try {
      const kept = await folder.certificate();
      if (!kept) return;
      const validity = this.#check(kept);
      this.#take(kept, validity);
      // It serves until there is one of the directory that is set now.
      if (kept.directory !== directory) this.#renewAt = 0;
      const fields = { names, until: new Date(validity.until).toISOString() };
      if (validity.until <= clock.now()) logger.error(fields, 'the certificate of the edge has expired');
    } catch (err) {
      logger.error({ err }, 'the certificate that was kept is not used: another is asked for');
    }
  }

  listening(): void {
    const { logger } = this.#options;
    this.#run().catch((err) => {
      if (!this.#closing.signal.aborted) logger.error({ err }, 'certificates are not renewed any more');
    });
  }

  close(): void {
    this.#closing.abort();
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const wait = Math.max(this.#renewAt - clock.now(), this.#notBefore - clock.monotonic());
      if (wait > 0) await clock.sleep(Math.min(wait, LOOK_MS), signal);
      else await this.#renew(signal);
    }
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { folder, issuer, logger, names, directory } = this.#options;
    try {
      const identity = await issuer.issue(names, signal);
      const validity = this.#check(identity);
      await folder.keepCertificate({ directory, cert: identity.cert, key: identity.key });
      if (signal.aborted) return;
      this.#take(identity, validity);
      this.#failures = 0;
      this.#waits = backoff(WAITS);
      // A life of nothing would have it asked for again and again.
      this.#notBefore = this.#options.clock.monotonic() + WAITS.firstMs;
      logger.info({ names, until: new Date(validity.until).toISOString() }, 'a certificate of the directory is in use');
      await this.#note({});
    } catch (err) {
      if (!signal.aborted) await this.#failed(err);
    }
  }

  async #failed(err: unknown): Promise<void> {
    const { clock, rng, logger, names } = this.#options;
    this.#failures += 1;
    const asked = err instanceof AcmeRefused ? Math.min(err.retryAfterMs, RETRY_AFTER_MOST_MS) : 0;
    const waitMs = Math.max(asked, jittered(this.#waits.next().value, rng.float()));
    this.#notBefore = clock.monotonic() + waitMs;
    const left = this.#until === undefined ? 'there is none' : `the one in use ends ${iso(this.#until)}`;
    logger.error({ err, names, againInS: Math.ceil(waitMs / 1_000) }, `no new certificate could be had; ${left}`);
    const what = err instanceof Error ? err.message : String(err);
    await this.#note({ failure: { at: clock.now(), count: this.#failures, what } });
  }

  /** Throws where it isn't for all of the names, or its key isn't its own. */
  #check(identity: Identity): Validity {
    const until = checkIdentity(identity, 'ACME');
    const { subjectAltName = '', validFrom } = new X509Certificate(identity.cert);
    const held = new Set(subjectAltName.split(', '));
    const missing = this.#options.names.filter((name) => !held.has(`DNS:${name}`));
    if (missing.length > 0) throw new Error(`the certificate is not for ${missing.join(', ')}`);
    return { from: Date.parse(validFrom), until };
  }

  #take(identity: Identity, validity: Validity): void {
    this.#use(identity);
    this.#until = validity.until;
    this.#renewAt = renewalAt(validity, this.#options.rng.float());
  }

  async #note(more: Pick<AcmeState, 'failure'>): Promise<void> {
    const { folder, names, logger } = this.#options;
    const until = this.#until;
    await folder
      .keepState({ names, ...(until !== undefined && { until }), ...more })
      .catch((err) => logger.error({ err }, 'how the certificate stands could not be noted'));
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();
