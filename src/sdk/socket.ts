import { ArcError } from '../contract/errors.ts';
import type { Wait } from './wait.ts';

/** What browsers' WebSocket, Node's and the package `ws` have in common; `pause` and `resume` are `ws`'s alone. */
export interface SocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: 'open' | 'message' | 'error' | 'close', listener: (event: SocketEvent) => void): void;
  pause?(): void;
  resume?(): void;
}
/** The members of the four kinds of event that are read. */
export interface SocketEvent {
  readonly data?: unknown;
  readonly message?: unknown;
  readonly code?: number;
  readonly reason?: unknown;
}
export type SocketFactory = (url: string, protocols: string[]) => SocketLike;

export const globalSocket: SocketFactory = (url, protocols) => new WebSocket(url, protocols) as SocketLike;

/** Bytes received and not yet read before the other side is made to wait, where the socket can do that. */
export const PAUSE_BYTES = 1_048_576;
/** Bytes received and not yet read before the connection is given up, where it can't. */
export const UNREAD_BYTES_MAX = 256 * 1_048_576;
/** Bytes handed to the socket and not yet sent before `send` waits. */
export const UNSENT_BYTES = 1_048_576;
/** How often `send` looks whether there is room again: a browser's WebSocket doesn't say so. */
const ROOM_CHECK_MS = 4;

const OPEN = 1;

export interface SocketMessage {
  readonly text?: string;
  readonly data?: Uint8Array;
}

export interface SocketClose {
  readonly code: number;
  readonly reason: string;
}

/** A WebSocket as a queue of messages, bounded both ways. */
export class Socket {
  readonly #socket: SocketLike;
  readonly #wait: Wait;
  readonly #queue: SocketMessage[] = [];
  readonly #opened = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<SocketClose>();
  #queuedBytes = 0;
  #paused = false;
  #end: SocketClose | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: SocketLike, wait: Wait) {
    this.#socket = socket;
    this.#wait = wait;
    this.#opened.promise.catch(() => {});
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('open', () => this.#opened.resolve());
    socket.addEventListener('message', (event) => this.#receive(event.data));
    // What went wrong is not told to scripts; the close that follows ends everything that waits.
    socket.addEventListener('error', (event) => {
      this.#opened.reject(new Error(typeof event.message === 'string' ? event.message : 'the connection failed'));
    });
    socket.addEventListener('close', (event) => {
      this.#end ??= { code: event.code ?? 1006, reason: String(event.reason ?? '') };
      this.#opened.reject(new Error('the connection was closed'));
      this.#closed.resolve(this.#end);
      this.#wake?.();
    });
  }

  /** Rejects when the server refused the connection or is not there. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  get closed(): Promise<SocketClose> {
    return this.#closed.promise;
  }

  /** Resolves when there is room for more. Rejects when the connection is gone. */
  async send(data: string | Uint8Array): Promise<void> {
    this.#assertOpen();
    this.#socket.send(data);
    while (this.#socket.bufferedAmount > UNSENT_BYTES) {
      await this.#wait(ROOM_CHECK_MS);
      this.#assertOpen();
    }
  }

  /** The next message, or `undefined` when the connection has ended and all was read. */
  async next(): Promise<SocketMessage | undefined> {
    for (;;) {
      const message = this.#queue.shift();
      if (message) {
        this.#queuedBytes -= sizeOf(message);
        if (this.#paused && this.#queuedBytes < PAUSE_BYTES / 2) this.#resume();
        return message;
      }
      if (this.#end) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(code = 1000, reason = ''): void {
    // A paused socket doesn't see the other side's close either.
    if (this.#paused) this.#resume();
    this.#socket.close(code, reason);
  }

  #assertOpen(): void {
    if (this.#end || this.#socket.readyState !== OPEN) throw new ArcError('not_connected', 'the connection is closed');
  }

  #resume(): void {
    this.#paused = false;
    this.#socket.resume?.();
  }

  #receive(data: unknown): void {
    const message: SocketMessage = typeof data === 'string' ? { text: data } : { data: toBytes(data) };
    this.#queue.push(message);
    this.#queuedBytes += sizeOf(message);
    if (this.#queuedBytes > PAUSE_BYTES && this.#socket.pause && !this.#paused) {
      this.#paused = true;
      this.#socket.pause();
    }
    if (this.#queuedBytes > UNREAD_BYTES_MAX) {
      this.#end = { code: 4000, reason: 'the output was not read fast enough' };
      this.#socket.close(4000, this.#end.reason);
    }
    this.#wake?.();
  }
}

function sizeOf(message: SocketMessage): number {
  return message.data?.byteLength ?? message.text?.length ?? 0;
}

function toBytes(data: unknown): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw new ArcError('internal', 'the connection gave a message of an unknown kind');
}
