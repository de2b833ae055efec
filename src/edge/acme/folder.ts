import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Identity } from '../tls/certificates.ts';

/** A certificate as it is kept, with whom it is from. */
export interface KeptCertificate extends Identity {
  readonly directory: string;
}

/** How it stands, for `arc doctor`. Times in ms since the epoch. */
export interface AcmeState {
  readonly names: readonly string[];
  /** Of the certificate in use. */
  readonly until?: number;
  /** Since the last success. */
  readonly failure?: { readonly at: number; readonly count: number; readonly what: string };
}

/** What ACME keeps in the data folder. Only its owner can read it; a file is there as a whole or not at all. */
export class AcmeFolder {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Each directory has accounts of its own; a key is made at the first need. */
  async accountKey(directory: string, make: () => Promise<string>): Promise<string> {
    const name = `account-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}.pem`;
    const kept = await this.#read(name);
    if (kept !== undefined) return kept;
    const key = await make();
    await this.#write(name, key);
    return key;
  }

  /** Undefined where there is none. Throws for one that can't be read. */
  async certificate(): Promise<KeptCertificate | undefined> {
    const text = await this.#read('certificate.json');
    if (text === undefined) return undefined;
    const { directory, cert, key } = JSON.parse(text) as Partial<Record<keyof KeptCertificate, unknown>>;
    if (typeof directory !== 'string' || typeof cert !== 'string' || typeof key !== 'string') {
      throw new Error(`${join(this.#path, 'certificate.json')} holds no certificate`);
    }
    return { directory, cert, key };
  }

  /** Certificate and key in one file: they are renewed together. */
  async keepCertificate(kept: KeptCertificate): Promise<void> {
    await this.#write('certificate.json', `${JSON.stringify(kept, null, 2)}\n`);
  }

  async keepState(state: AcmeState): Promise<void> {
    await this.#write('state.json', `${JSON.stringify(state)}\n`);
  }

  async #read(name: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.#path, name), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async #write(name: string, text: string): Promise<void> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 });
    const path = join(this.#path, name);
    const file = await open(`${path}.new`, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
  }
}
