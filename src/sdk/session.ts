import { ArcError } from '../contract/errors.ts';
import type { Exit } from '../contract/spec.ts';
import { CHANNEL, type ClientMessage, type ServerMessage, STREAM_MESSAGE_BYTES_MAX } from '../contract/stream.ts';
import { fromProblem } from './problem.ts';
import type { Socket } from './socket.ts';

export interface OutputChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
}

export type SessionExit = Exit & { readonly timedOut: boolean };

/** Input is cut into messages of this many bytes, well below what one message may hold. */
const INPUT_CHUNK_BYTES = Math.min(65_536, STREAM_MESSAGE_BYTES_MAX);

/**
 * A command or a terminal that runs in a sandbox, followed over a WebSocket. Leaving it (`leave`, or the end of an
 * `await using` block) lets the program go on; it can be joined again by its id.
 */
export class Session implements AsyncDisposable {
  readonly id: string;
  readonly sandbox: string;
  readonly tty: boolean;
  /**
   * The end of the program. Rejects when the connection was lost or another reader joined. It comes after the output, and
   * a program whose output nobody reads is made to wait: read `output`, or call `drain`.
   */
  readonly exit: Promise<SessionExit>;
  readonly #socket: Socket;
  readonly #exit = Promise.withResolvers<SessionExit>();
  #stdin: Promise<void> = Promise.resolve();

  private constructor(socket: Socket, started: { id: string; sandbox: string; tty: boolean }) {
    this.#socket = socket;
    this.id = started.id;
    this.sandbox = started.sandbox;
    this.tty = started.tty;
    this.exit = this.#exit.promise;
    this.exit.catch(() => {});
  }

  /** Sends the first message and waits for the server's `started`. */
  static async begin(socket: Socket, first: unknown): Promise<Session> {
    try {
      await socket.send(JSON.stringify(first));
      const message = await socket.next();
      if (message === undefined) {
        const end = await socket.closed;
        throw new ArcError(
          'not_connected',
          `the connection ended before the command began (${end.code} ${end.reason})`,
        );
      }
      const said = parse(message.text);
      if (said.type === 'error') throw fromProblem(said.problem);
      if (said.type !== 'started') throw new ArcError('internal', `the server began with ${said.type}`);
      return new Session(socket, said);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** Chunks in order, until the program has ended. Read once. */
  get output(): AsyncIterable<OutputChunk> {
    return this.#read();
  }

  async *#read(): AsyncGenerator<OutputChunk, void, void> {
    for (;;) {
      const message = await this.#socket.next();
      if (message === undefined) {
        const error = await this.#lost();
        this.#exit.reject(error);
        // Without an exit the output is cut short, and its reader must know.
        const exited = await this.exit.then(
          () => true,
          () => false,
        );
        if (exited) return;
        throw error;
      }
      if (message.data) {
        const stream = message.data[0] === CHANNEL.stderr ? 'stderr' : 'stdout';
        yield { stream, data: message.data.subarray(1) };
        continue;
      }
      const said = parse(message.text);
      if (said.type === 'exit') {
        this.#exit.resolve({ ...said.exit, timedOut: said.timedOut });
        this.#socket.close();
        return;
      }
      if (said.type === 'error') {
        const error = fromProblem(said.problem);
        this.#exit.reject(error);
        this.#socket.close();
        throw error;
      }
    }
  }

  /** Reads and forgets the output, then gives the exit. */
  async drain(): Promise<SessionExit> {
    for await (const _ of this.output);
    return this.exit;
  }

  /** Resolves when there is room for more. */
  write(data: Uint8Array | string): Promise<void> {
    return this.#inOrder(async () => {
      const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
      for (let at = 0; at < bytes.byteLength; at += INPUT_CHUNK_BYTES) {
        const chunk = bytes.subarray(at, at + INPUT_CHUNK_BYTES);
        const frame = new Uint8Array(chunk.byteLength + 1);
        frame[0] = CHANNEL.stdin;
        frame.set(chunk, 1);
        await this.#socket.send(frame);
      }
    });
  }

  closeStdin(): Promise<void> {
    return this.#inOrder(() => this.#say({ type: 'stdin-close' }));
  }

  /** Such as `SIGINT`. Not held up by input that waits. */
  signal(signal: string): Promise<void> {
    return this.#say({ type: 'signal', signal });
  }

  resize(cols: number, rows: number): Promise<void> {
    return this.#say({ type: 'resize', cols, rows });
  }

  /** Lets go of it; the program goes on. */
  leave(): void {
    this.#exit.reject(new ArcError('not_connected', `left ${this.id} before it ended`));
    this.#socket.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.leave();
  }

  #say(message: ClientMessage): Promise<void> {
    return this.#socket.send(JSON.stringify(message));
  }

  /** Input keeps its order also when a caller doesn't wait for each write. */
  #inOrder(step: () => Promise<void>): Promise<void> {
    const turn = this.#stdin.then(step);
    this.#stdin = turn.catch(() => {});
    return turn;
  }

  async #lost(): Promise<ArcError> {
    const { code, reason } = await this.#socket.closed;
    return new ArcError(
      'not_connected',
      `the connection to ${this.id} was lost (${code}${reason ? ` ${reason}` : ''})`,
      {
        hint: `The program may still run: follow it again with \`arc exec${this.tty ? ' -it' : ''} --join ${this.id} ${this.sandbox}\`.`,
        extra: { exec: this.id },
      },
    );
  }
}

function parse(text: string | undefined): ServerMessage {
  if (text === undefined) throw new ArcError('internal', 'the server sent data where it should have spoken');
  return JSON.parse(text) as ServerMessage;
}
