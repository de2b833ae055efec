import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { ArcError } from '../../../contract/errors.ts';
import type { Clock } from '../../../kit/clock.ts';
import {
  encodeFrame,
  FrameReader,
  HEADER_BYTES,
  KIND,
  PAYLOAD_BYTES_MAX,
  STREAMS_MAX,
  WINDOW_BYTES,
} from './frames.ts';
import { callsPort } from './vsock-call.ts';

export interface ChannelOptions {
  /** The monitor's socket, the host's end of the port. */
  readonly path: string;
  /** 16 bytes that nobody has seen: the machine's answer to them begins what is meant for this connection. */
  readonly nonce: Uint8Array;
  /** The socket leads to all of the machine's vsock ports, and is told first which one is meant. */
  readonly vsockPort?: number;
  readonly clock: Clock;
}

const HELLO_AGAIN_MS = 250;
const CONNECT_AGAIN_MS = 10;

/** Many connections to the first program of one machine. */
export class GuestChannel {
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #streams = new Map<number, GuestStream>();
  readonly #nonce: Buffer;
  #next = 1;
  #welcome: (() => void) | undefined;
  #welcomed = false;
  #closed = false;
  onClose: () => void = () => {};

  private constructor(socket: Socket, nonce: Uint8Array) {
    this.#socket = socket;
    this.#nonce = Buffer.from(nonce);
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('error', () => {});
    socket.on('close', () => this.close());
  }

  /** Connected and welcomed; waits for a machine that is still starting until `signal` aborts. */
  static async open(options: ChannelOptions, signal: AbortSignal): Promise<GuestChannel> {
    const channel = new GuestChannel(await socketOf(options, signal), options.nonce);
    try {
      await channel.#greet(options.clock, signal);
      return channel;
    } catch (error) {
      channel.close();
      throw error;
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** A new connection. Throws at_capacity, helper_unavailable. */
  connect(): Duplex {
    if (this.#closed) throw lost('the connection to the virtual machine is closed');
    if (this.#streams.size >= STREAMS_MAX) {
      throw new ArcError('at_capacity', `${STREAMS_MAX} connections to this virtual machine are open already`);
    }
    while (this.#streams.has(this.#next)) this.#next = (this.#next % 0xffff) + 1;
    const id = this.#next;
    this.#next = (this.#next % 0xffff) + 1;
    const stream = new GuestStream({
      send: (kind, payload) => this.#send(kind, id, payload),
      forget: () => this.#streams.delete(id),
    });
    this.#streams.set(id, stream);
    this.#send(KIND.open, id);
    return stream;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    for (const stream of [...this.#streams.values()]) stream.destroy();
    this.#streams.clear();
    this.onClose();
  }

  /** Said again until it is heard: what is written to a port before the machine opens it is thrown away. */
  async #greet(clock: Clock, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#welcome = resolve;
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const before = this.onClose;
    this.onClose = () => reject(lost('the virtual machine ended before it answered'));
    let cancel = () => {};
    const hello = () => {
      // The zeros end whatever an earlier connection left half written.
      this.#socket.write(new Uint8Array(PAYLOAD_BYTES_MAX + HEADER_BYTES));
      this.#socket.write(encodeFrame(KIND.hello, 0, this.#nonce));
      cancel = clock.after(HELLO_AGAIN_MS, hello);
    };
    try {
      if (signal.aborted) onAbort();
      hello();
      await promise;
    } finally {
      cancel();
      this.onClose = before;
      signal.removeEventListener('abort', onAbort);
    }
  }

  #send(kind: number, stream: number, payload?: Uint8Array): boolean {
    return this.#closed || this.#socket.write(encodeFrame(kind, stream, payload));
  }

  #receive(bytes: Buffer): void {
    for (const { kind, stream, payload } of this.#reader.push(bytes)) {
      if (kind === KIND.welcome) {
        if (!payload.equals(this.#nonce)) continue;
        this.#welcomed = true;
        this.#welcome?.();
      } else if (this.#welcomed) {
        this.#streams.get(stream)?.deliver(kind, payload);
      }
    }
  }
}

interface Wire {
  send(kind: number, payload?: Uint8Array): boolean;
  forget(): void;
}

/** One connection as a Node stream. What the machine sends beyond its window ends it. */
class GuestStream extends Duplex {
  readonly #wire: Wire;
  #credit = WINDOW_BYTES;
  /** Bytes that were received and not read yet. */
  #unread = 0;
  #waiting: { rest: Buffer; done: (error?: Error) => void } | undefined;

  constructor(wire: Wire) {
    super({ allowHalfOpen: false, readableHighWaterMark: WINDOW_BYTES });
    this.#wire = wire;
  }

  deliver(kind: number, payload: Buffer): void {
    if (this.destroyed) return;
    if (kind === KIND.data) this.#receive(payload);
    else if (kind === KIND.credit && payload.length === 4) this.#grant(payload.readUInt32LE(0));
    else if (kind === KIND.end) this.#end();
  }

  override _read(): void {
    if (this.#unread === 0) return;
    const credit = Buffer.alloc(4);
    credit.writeUInt32LE(this.#unread);
    this.#unread = 0;
    this.#wire.send(KIND.credit, credit);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#waiting = { rest: chunk, done };
    this.#pump();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#wire.send(KIND.end);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.writableFinished) this.#wire.send(KIND.end);
    this.#wire.forget();
    this.#waiting?.done(lost('the connection to the virtual machine is closed'));
    this.#waiting = undefined;
    done(error);
  }

  #receive(payload: Buffer): void {
    this.#unread += payload.length;
    if (this.#unread + this.readableLength > 2 * WINDOW_BYTES) {
      this.destroy();
      return;
    }
    if (this.push(payload)) this._read();
  }

  #grant(bytes: number): void {
    this.#credit = Math.min(WINDOW_BYTES, this.#credit + bytes);
    this.#pump();
  }

  #end(): void {
    this.push(null);
    this.#wire.forget();
    this.end();
  }

  #pump(): void {
    while (this.#waiting !== undefined && this.#credit > 0) {
      const { rest, done } = this.#waiting;
      const part = rest.subarray(0, Math.min(PAYLOAD_BYTES_MAX, this.#credit));
      this.#credit -= part.length;
      this.#wire.send(KIND.data, part);
      this.#waiting = part.length < rest.length ? { rest: rest.subarray(part.length), done } : undefined;
      if (this.#waiting === undefined) done();
    }
  }
}

/** A monitor makes its sockets some time after it is started, and a machine listens some time after that. */
async function socketOf({ path, clock, vsockPort }: ChannelOptions, signal: AbortSignal): Promise<Socket> {
  for (;;) {
    signal.throwIfAborted();
    const socket = connect(path);
    try {
      await once(socket, 'connect', { signal });
      if (vsockPort === undefined || (await callsPort(socket, vsockPort, signal))) return socket;
      socket.destroy();
    } catch (error) {
      socket.destroy();
      if (!isAbsent(error)) throw lost('the virtual machine does not answer', error);
    }
    await clock.sleep(CONNECT_AGAIN_MS, signal);
  }
}

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED');

export const lost = (detail: string, cause?: unknown) => new ArcError('helper_unavailable', detail, { cause });
