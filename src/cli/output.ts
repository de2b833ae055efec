import type { OutputStream } from './env.ts';

/** Whoever read our output went away. Not worth a message: there is nobody to read it. */
export class BrokenPipe extends Error {
  override readonly name = 'BrokenPipe';
}

/** An output stream that is waited for: a slow reader slows the command down, a gone one ends it. */
export class Output {
  readonly stream: OutputStream;
  #broken = false;

  constructor(stream: OutputStream) {
    this.stream = stream;
    // Without a listener an EPIPE would end the process before anything is cleaned up.
    stream.on('error', () => {
      this.#broken = true;
    });
  }

  get isTTY(): boolean {
    return this.stream.isTTY === true;
  }

  write(data: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#broken) reject(new BrokenPipe('the output was closed'));
      else {
        this.stream.write(data, (error) =>
          error ? reject(new BrokenPipe(error.message, { cause: error })) : resolve(),
        );
      }
    });
  }

  line(text: string): Promise<void> {
    return this.write(`${text}\n`);
  }

  json(value: unknown): Promise<void> {
    return this.line(JSON.stringify(value));
  }
}
