import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { ArcError } from '../../../contract/errors.ts';

/** An answer or an event is a line; a longer one is none that we have asked for. */
const LINE_BYTES_MAX = 1_048_576;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** QEMU's control socket: a line of JSON for each command, answered in order. */
export class Qmp {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #held = '';
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#receive(text));
    socket.on('error', () => {});
    socket.on('close', () => this.close());
  }

  /** Connected and ready for commands. */
  static async open(path: string, signal: AbortSignal): Promise<Qmp> {
    const socket = connect(path);
    try {
      await once(socket, 'connect', { signal });
    } catch (error) {
      socket.destroy();
      throw error;
    }
    const qmp = new Qmp(socket);
    await qmp.command('qmp_capabilities', {});
    return qmp;
  }

  /** Throws ArcError internal with what QEMU said. */
  command(name: string, args: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (this.#closed)
      return Promise.reject(new ArcError('internal', 'the connection to the machine monitor is closed'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#socket.write(`${JSON.stringify({ execute: name, arguments: args })}\n`);
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    for (const { reject } of this.#waiting.splice(0)) reject(new ArcError('internal', 'the machine monitor has ended'));
  }

  #receive(text: string): void {
    this.#held += text;
    for (let end = this.#held.indexOf('\n'); end >= 0; end = this.#held.indexOf('\n')) {
      const line = this.#held.slice(0, end);
      this.#held = this.#held.slice(end + 1);
      this.#take(line);
    }
    if (this.#held.length > LINE_BYTES_MAX) this.close();
  }

  #take(line: string): void {
    const message = parsed(line);
    if (message === undefined || !('return' in message || 'error' in message)) return; // its greeting, or an event
    const waiting = this.#waiting.shift();
    if ('error' in message)
      waiting?.reject(new ArcError('internal', `the machine monitor: ${JSON.stringify(message.error)}`));
    else waiting?.resolve(message.return);
  }
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
