import { ArcError } from '../../contract/errors.ts';
import type { Exit } from '../../contract/spec.ts';
import type { ExecStream } from '../../engines/engine.ts';
import { exitOf } from './answers.ts';
import { type HelperLink, unavailable } from './link.ts';
import { CHUNK_BYTES, type Field, Fields, type Frame, MESSAGE } from './wire.ts';

/** Output waiting for its reader; beyond, the socket is paused, and so in the end the program is. */
const WAITING_BYTES_MAX = 1_048_576;

type Chunk = { readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array };
type ExecExit = Exit & { readonly timedOut: boolean };

interface Control {
  resize(cols: number, rows: number): Promise<void>;
  signal(name: string): Promise<void>;
}

/** Joins a command: the connection becomes its stream. */
export async function joinExec(link: HelperLink, fields: readonly Field[], control: Control): Promise<ExecStream> {
  const joined = new Joined(link, control);
  try {
    const answer = await link.request(MESSAGE.attach, fields);
    joined.named(answer.fields.text('exec'), answer.fields.get('tty') === '1');
    return joined;
  } catch (error) {
    link.close();
    throw error;
  }
}

class Joined implements ExecStream {
  id = '';
  tty = false;
  readonly exit: Promise<ExecExit>;
  readonly output: AsyncIterable<Chunk>;
  readonly #link: HelperLink;
  readonly #control: Control;
  readonly #chunks: Chunk[] = [];
  #bytes = 0;
  #over = false;
  #wake: () => void = () => {};
  #settle: { resolve: (exit: ExecExit) => void; reject: (error: Error) => void };

  constructor(link: HelperLink, control: Control) {
    this.#link = link;
    this.#control = control;
    const { promise, resolve, reject } = Promise.withResolvers<ExecExit>();
    this.exit = promise;
    this.exit.catch(() => {});
    this.#settle = { resolve, reject };
    this.output = this.#read();
    link.onFrame = (frame) => this.#take(frame);
    link.onClose = () => this.#end(unavailable('the node helper was lost while the command ran'));
  }

  named(id: string, tty: boolean): void {
    this.id = id;
    this.tty = tty;
  }

  async write(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.byteLength; at += CHUNK_BYTES) {
      await this.#send(MESSAGE.stdin, data.subarray(at, at + CHUNK_BYTES));
    }
  }

  closeStdin(): Promise<void> {
    return this.#send(MESSAGE.stdinClose);
  }

  resize(cols: number, rows: number): Promise<void> {
    return this.#control.resize(cols, rows);
  }

  signal(name: string): Promise<void> {
    return this.#control.signal(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end(new ArcError('exec_not_found', 'this stream of the command was closed'));
    this.#link.close();
  }

  async #send(type: number, data?: Uint8Array): Promise<void> {
    if (this.#over) throw new ArcError('exec_not_found', 'the command is over, or another has joined it');
    await this.#link.send(type, 0, data);
  }

  #take(frame: Frame): void {
    if (frame.type === MESSAGE.stdout || frame.type === MESSAGE.stderr) {
      this.#chunks.push({ stream: frame.type === MESSAGE.stdout ? 'stdout' : 'stderr', data: frame.payload });
      this.#bytes += frame.payload.length;
      if (this.#bytes > WAITING_BYTES_MAX) this.#link.pause();
      this.#wake();
    } else if (frame.type === MESSAGE.exit) {
      const fields = new Fields(frame.payload);
      this.#settle.resolve({ ...exitOf(fields), timedOut: fields.get('timedOut') === '1' });
      this.#end();
    } else if (frame.type === MESSAGE.taken) {
      this.#end(new ArcError('conflict', 'another has joined this command'));
    }
  }

  #end(error?: Error): void {
    if (this.#over) return;
    this.#over = true;
    if (error) this.#settle.reject(error);
    this.#wake();
    this.#link.close();
  }

  async *#read(): AsyncGenerator<Chunk> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk) {
        this.#bytes -= chunk.data.byteLength;
        if (this.#bytes <= WAITING_BYTES_MAX / 2) this.#link.resume();
        yield chunk;
      } else if (this.#over) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
