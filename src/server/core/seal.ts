import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { ArcError } from '../../contract/errors.ts';
import type { Rng } from '../../kit/clock.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** AES-256-GCM. What is sealed opens only by the same key and under the same name, so nobody can swap two in the database. */
export class Seal {
  readonly #key: Uint8Array;
  readonly #rng: Rng;

  constructor(key: Uint8Array, rng: Rng) {
    this.#key = createHash('sha256').update('arc secrets 1\n').update(key).digest();
    this.#rng = rng;
  }

  close(text: string, name: string): string {
    const nonce = this.#rng.bytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(name));
    const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64');
  }

  open(sealed: string, name: string): string {
    const bytes = Buffer.from(sealed, 'base64');
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, NONCE_BYTES))
        .setAAD(Buffer.from(name))
        .setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString();
    } catch {
      throw new ArcError('secret_not_found', 'the secret was sealed with another key', {
        hint: 'Set it again, or bring back the `secrets.key` it was set with.',
      });
    }
  }
}
