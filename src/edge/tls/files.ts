import { readFile } from 'node:fs/promises';
import { ArcError } from '../../contract/errors.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import { type CertificateSource, checkIdentity, type Identity } from './certificates.ts';

export interface CertificateFilesOptions {
  /** Certificate and chain, PEM. */
  readonly cert: string;
  readonly key: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Between two looks at the files, ms. */
  readonly everyMs?: number;
}

/**
 * They are read every few seconds rather than watched: renewing programs swap links or folders, which watches on the
 * file don't see, and two files that are written one after the other must be taken together.
 */
const EVERY_MS = 5_000;

/** A certificate in two files, of whoever renews it. New content is used for new connections; bad content is not. */
export class CertificateFiles implements CertificateSource {
  readonly #options: CertificateFilesOptions;
  #used = '';
  #refused = '';
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(options: CertificateFilesOptions) {
    this.#options = options;
  }

  async open(use: (identity: Identity) => void): Promise<void> {
    const identity = await this.#read();
    checkIdentity(identity, this.#options.cert);
    this.#used = textOf(identity);
    use(identity);
    this.#next(use);
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  #next(use: (identity: Identity) => void): void {
    if (this.#closed) return;
    this.#cancel = this.#options.clock.after(this.#options.everyMs ?? EVERY_MS, () => {
      this.#look(use)
        .catch((error) => this.#options.logger.error({ err: error }, 'the certificate could not be read again'))
        .finally(() => this.#next(use));
    });
  }

  async #look(use: (identity: Identity) => void): Promise<void> {
    const { cert, logger } = this.#options;
    const identity = await this.#read();
    const text = textOf(identity);
    if (text === this.#used || text === this.#refused) return;
    try {
      const until = checkIdentity(identity, cert);
      this.#used = text;
      use(identity);
      logger.info({ cert, until: new Date(until).toISOString() }, 'a new certificate is in use');
    } catch (error) {
      // Half of a renewal, or a mistake: the earlier one stays in use, and this is said once.
      this.#refused = text;
      logger.error({ err: error, cert }, 'the new certificate is not used');
    }
  }

  async #read(): Promise<Identity> {
    const { cert, key } = this.#options;
    const read = async (path: string) => {
      try {
        return await readFile(path, 'utf8');
      } catch (cause) {
        throw new ArcError('invalid_config', `${path} can not be read: ${(cause as Error).message}`, { cause });
      }
    };
    return { cert: await read(cert), key: await read(key) };
  }
}

const textOf = ({ cert, key }: Identity): string => `${cert}\n${key}`;
