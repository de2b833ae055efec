import type { Socket } from 'node:net';
import { ProtocolError, UpstreamFailure } from './failure.ts';
import { ResponseParser, type ResponseSink } from './response-parser.ts';

/** What uses a connection for one request and its response. */
export interface Exchange extends ResponseSink {
  /** All that one read brought has been given. */
  onFlush(): void;
  /** The socket takes more after `write` gave false. */
  onDrain(): void;
  /** No (whole) answer comes. Called at most once, and not after `onComplete`. */
  onFailure(failure: UpstreamFailure): void;
}

/** What owns connections. */
export interface ConnectionOwner {
  readonly responseHeadBytes: number;
  /** Monotonic ms. */
  now(): number;
  onClosed(connection: UpstreamConnection): void;
  /** A fault of ours came to light while reading what a sandbox sent. */
  onFault(cause: unknown): void;
}

/** One TCP connection to one port of one incarnation of one sandbox. It never serves another. */
export class UpstreamConnection {
  readonly port: number;
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #parser: ResponseParser;
  #exchange: Exchange | undefined;
  #closed = false;
  /** The current exchange has got bytes. */
  #answered = false;
  /** How many exchanges it has served before the current one. */
  served = 0;
  /** Since when it has been unused, or has been waited on for the first byte of an answer; 0: neither. */
  idleSince = 0;
  waitingSince = 0;

  constructor(socket: Socket, port: number, owner: ConnectionOwner) {
    this.port = port;
    this.#socket = socket;
    this.#owner = owner;
    this.#parser = new ResponseParser(owner.responseHeadBytes);
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('drain', this.#onDrain);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
  }

  get closed(): boolean {
    return this.#closed;
  }

  get busy(): boolean {
    return this.#exchange !== undefined;
  }

  /** Nothing of an answer has come yet, on a connection that had served before: the server may just have closed it. */
  get failedUnused(): boolean {
    return this.served > 0 && !this.#answered;
  }

  begin(exchange: Exchange, method: string, upgrade: boolean): void {
    this.#exchange = exchange;
    this.#answered = false;
    this.idleSince = 0;
    this.#parser.begin(exchange, method, upgrade);
  }

  write(text: string): boolean {
    return this.#socket.write(text, 'latin1');
  }

  writeBytes(bytes: Buffer): boolean {
    return this.#socket.write(bytes);
  }

  writeChunk(bytes: Buffer): boolean {
    this.#socket.cork();
    this.#socket.write(`${bytes.length.toString(16)}\r\n`, 'latin1');
    this.#socket.write(bytes);
    const more = this.#socket.write('\r\n', 'latin1');
    this.#socket.uncork();
    return more;
  }

  /** The request is sent as a whole: from now on an answer is due. */
  requestSent(): void {
    if (!this.#answered) this.waitingSince = this.#owner.now();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** After `onComplete`: free for another exchange. */
  finish(): void {
    this.#exchange = undefined;
    this.served += 1;
    this.waitingSince = 0;
    this.idleSince = this.#owner.now();
    this.#socket.resume();
  }

  /** After `onUpgrade`: the bare socket. It stays with its owner, so that it is cut when the route changes. */
  detach(): Socket {
    this.#exchange = undefined;
    this.waitingSince = 0;
    this.#socket.pause();
    this.#socket.off('data', this.#onData);
    this.#socket.off('end', this.#onEnd);
    this.#socket.off('drain', this.#onDrain);
    this.#socket.off('error', this.#onError);
    return this.#socket;
  }

  /** Whoever used it gave up, or nobody uses it. */
  discard(): void {
    this.#exchange = undefined;
    this.#parser.stop();
    this.#close();
  }

  fail(failure: UpstreamFailure): void {
    const exchange = this.#exchange;
    this.discard();
    exchange?.onFailure(failure);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.waitingSince = 0;
    this.idleSince = 0;
    // An error after this is nobody's concern, but an `error` event without a listener would end the process.
    if (this.#socket.listenerCount('error') === 0) this.#socket.on('error', () => {});
    this.#socket.destroy();
    this.#owner.onClosed(this);
  }

  readonly #onData = (bytes: Buffer): void => {
    if (!this.#answered) {
      this.#answered = true;
      this.waitingSince = 0;
    }
    try {
      this.#parser.feed(bytes);
    } catch (cause) {
      // What one sandbox sends must not end the edge for all, not even by a fault of ours.
      if (!(cause instanceof ProtocolError)) this.#owner.onFault(cause);
      this.fail(new UpstreamFailure('protocol', cause instanceof ProtocolError ? cause.message : 'no HTTP', cause));
      return;
    }
    this.#exchange?.onFlush();
  };

  readonly #onEnd = (): void => {
    const whole = this.#parser.end();
    if (this.#closed) return;
    if (whole) this.discard();
    else this.fail(new UpstreamFailure('broken', 'it closed the connection before its answer was whole'));
  };

  readonly #onDrain = (): void => {
    this.#exchange?.onDrain();
  };

  readonly #onError = (cause: Error): void => {
    this.fail(new UpstreamFailure('broken', 'the connection broke before its answer was whole', cause));
  };

  readonly #onClose = (): void => {
    if (this.#closed) return;
    this.fail(new UpstreamFailure('broken', 'the connection closed before its answer was whole'));
  };
}
