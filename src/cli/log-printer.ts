import type { LogEntry } from '../contract/schemas/exec.ts';
import { TerminalFilter } from './clean.ts';
import type { Output } from './output.ts';

/** Log entries are chunks, not lines; this puts them together again, each stream by itself. */
export class LogPrinter {
  readonly #streams: { readonly stdout: LogStream; readonly stderr: LogStream };
  readonly #err: Output;

  constructor(out: Output, err: Output, options: { readonly timestamps: boolean }) {
    this.#err = err;
    this.#streams = { stdout: new LogStream(out, options.timestamps), stderr: new LogStream(err, options.timestamps) };
  }

  async print(entry: LogEntry): Promise<void> {
    const bytes = Buffer.from(entry.data, entry.encoding === 'base64' ? 'base64' : 'utf8');
    if (entry.stream === 'arc') {
      const dropped = entry.droppedBytes === undefined ? '' : `${entry.droppedBytes} bytes are missing here `;
      await this.#err.line(`[arc] ${dropped}${bytes.toString('utf8').trimEnd()}`.trimEnd());
    } else await this.#streams[entry.stream].print(bytes, entry.time);
  }

  async end(): Promise<void> {
    await this.#streams.stdout.end();
    await this.#streams.stderr.end();
  }
}

class LogStream {
  readonly #output: Output;
  readonly #timestamps: boolean;
  readonly #filter: TerminalFilter | undefined;
  readonly #decoder = new TextDecoder();
  #lineBegins = true;

  constructor(output: Output, timestamps: boolean) {
    this.#output = output;
    this.#timestamps = timestamps;
    this.#filter = output.isTTY ? new TerminalFilter() : undefined;
  }

  async print(bytes: Buffer, time: string): Promise<void> {
    const shown = this.#filter ? Buffer.from(this.#filter.push(this.#decoder.decode(bytes, { stream: true }))) : bytes;
    if (shown.length > 0) await this.#output.write(this.#timestamps ? this.#stamped(shown, time) : shown);
  }

  async end(): Promise<void> {
    const rest = this.#filter ? this.#filter.push(this.#decoder.decode()) + this.#filter.end() : '';
    if (rest !== '') await this.#output.write(rest);
  }

  /** Works on bytes, so that what is not text stays as it is. */
  #stamped(bytes: Buffer, time: string): Buffer {
    const stamp = Buffer.from(`${time} `);
    const pieces: Buffer[] = [];
    for (let start = 0; start < bytes.length; ) {
      const newline = bytes.indexOf(10, start);
      const end = newline < 0 ? bytes.length : newline + 1;
      if (this.#lineBegins) pieces.push(stamp);
      pieces.push(bytes.subarray(start, end));
      this.#lineBegins = newline >= 0;
      start = end;
    }
    return Buffer.concat(pieces);
  }
}
