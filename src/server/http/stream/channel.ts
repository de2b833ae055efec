import type { WebSocket } from 'ws';
import { ArcError } from '../../../contract/errors.ts';
import type { Clock } from '../../../kit/clock.ts';
import {
  BUSY_SILENCE_MS_MAX,
  CLOSE_REASON_BYTES_MAX,
  FIRST_MESSAGE_MS_MAX,
  PING_MS,
  SOCKET_BUFFER_BYTES,
} from '../limits.ts';

export interface Message {
  readonly text?: string;
  readonly bytes?: Buffer;
}

/**
 * One WebSocket with backpressure both ways and a heartbeat. Messages that come before anyone listens are kept; the
 * listener pauses and resumes the client itself.
 */
export class Channel {
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  #early: Message[] = [];
  #listener: ((message: Message) => void) | undefined;
  #cancelPing = () => {};
  #lastHeard: number;
  /** Anything sent since the peer was last heard: then its silence may only mean that its user has paused it. */
  #sentSince = false;

  constructor(socket: WebSocket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#lastHeard = clock.monotonic();
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#receive(data, isBinary));
    socket.on('pong', () => this.#heard());
    socket.on('close', () => this.#cancelPing());
    // ws closes by itself after an error (1009 for a message beyond the bound); the event must only be listened to.
    socket.on('error', () => {});
    this.#schedulePing();
  }

  get closed(): boolean {
    return this.#socket.readyState !== this.#socket.OPEN;
  }

  /** The first message, or an error when it does not come in time. */
  first(signal: AbortSignal): Promise<Message> {
    const early = this.#early.shift();
    if (early !== undefined) return Promise.resolve(early);
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        cancel();
        signal.removeEventListener('abort', onAbort);
        this.#listener = undefined;
        act();
      };
      const onAbort = () => settle(() => reject(signal.reason));
      const cancel = this.#clock.after(FIRST_MESSAGE_MS_MAX, () =>
        settle(() => reject(new ArcError('timeout', `no first message came within ${FIRST_MESSAGE_MS_MAX / 1_000}s`))),
      );
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      else this.#listener = (message) => settle(() => resolve(message));
    });
  }

  /** Calls for each message from now on, beginning with those kept. */
  listen(listener: (message: Message) => void): void {
    const early = this.#early;
    this.#early = [];
    this.#listener = listener;
    for (const message of early) listener(message);
    this.resume();
  }

  pause(): void {
    if (!this.closed) this.#socket.pause();
  }

  resume(): void {
    if (this.#socket.isPaused) this.#socket.resume();
  }

  /** Resolves when there is room for more; rejects when the client is gone. */
  async send(message: Record<string, unknown> | Uint8Array): Promise<void> {
    if (this.closed) throw new Error('the client went away');
    this.#sentSince = true;
    const data = message instanceof Uint8Array ? message : JSON.stringify(message);
    const sent = new Promise<void>((resolve, reject) => {
      this.#socket.send(data, (error) => (error ? reject(error) : resolve()));
    });
    if (this.#socket.bufferedAmount > SOCKET_BUFFER_BYTES) return sent;
    // Nobody waits for this one: the next send, or the close, tells of the same failure.
    sent.catch(() => {});
  }

  /** Resolves once the connection is closed, whatever the peer does. */
  async close(code: number, reason: string): Promise<void> {
    if (this.#socket.readyState === this.#socket.CLOSED) return;
    this.resume();
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.close(code, Buffer.from(reason).subarray(0, CLOSE_REASON_BYTES_MAX).toString('latin1'));
    const cancel = this.#clock.after(PING_MS, () => this.#socket.terminate());
    await closed;
    cancel();
  }

  #receive(data: Buffer, isBinary: boolean): void {
    this.#heard();
    const message: Message = isBinary ? { bytes: data } : { text: data.toString('utf8') };
    if (this.#listener !== undefined) this.#listener(message);
    else this.#early.push(message);
    // Only ever one is wanted before there is a listener; the rest stays in the kernel's buffer.
    if (this.#listener === undefined && this.#early.length > 0) this.pause();
  }

  #heard(): void {
    this.#lastHeard = this.#clock.monotonic();
    this.#sentSince = false;
  }

  #schedulePing(): void {
    this.#cancelPing = this.#clock.after(PING_MS, () => {
      if (this.closed) return;
      const silence = this.#clock.monotonic() - this.#lastHeard;
      const borne = this.#sentSince || this.#socket.isPaused ? BUSY_SILENCE_MS_MAX : 2 * PING_MS;
      if (silence > borne) return this.#socket.terminate();
      this.#socket.ping();
      this.#schedulePing();
    });
  }
}
