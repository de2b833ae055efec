import type { OutputStream } from '../env.ts';

/** An output that keeps what it is given, for tests. */
export class Sink implements OutputStream {
  readonly isTTY: boolean;
  readonly columns = 80;
  readonly rows = 24;
  readonly #chunks: Buffer[] = [];
  readonly #listeners = new Map<string, Set<() => void>>();
  #error: Error | undefined;

  constructor(options: { readonly isTTY?: boolean } = {}) {
    this.isTTY = options.isTTY ?? false;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
  get text(): string {
    return this.bytes.toString('utf8');
  }

  /** From now on nobody reads it. */
  close(): void {
    this.#error = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
  }

  write(data: string | Uint8Array, done: (error?: Error | null) => void): boolean {
    if (!this.#error) this.#chunks.push(Buffer.from(data as Uint8Array));
    const error = this.#error;
    setImmediate(() => {
      done(error);
      if (error) for (const listener of this.#listeners.get('error') ?? []) listener();
    });
    return true;
  }

  on(event: 'error' | 'resize', listener: () => void): void {
    const held = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, held.add(listener));
  }
  off(event: 'error' | 'resize', listener: () => void): void {
    this.#listeners.get(event)?.delete(listener);
  }
}
