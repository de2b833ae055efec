import { ChunkReader } from './chunks.ts';
import { ProtocolError } from './failure.ts';
import { HeaderReader, type ResponseHead } from './response-head.ts';

/** Gets the parts of one response as they arrive. */
export interface ResponseSink {
  onInformation(head: ResponseHead): void;
  onHead(head: ResponseHead): void;
  onBody(bytes: Buffer): void;
  /** @param reusable the sandbox's server keeps the connection for another request */
  onComplete(trailers: readonly string[], reusable: boolean): void;
  /** The connection now speaks something else; `rest` is its first bytes. */
  onUpgrade(head: ResponseHead, rest: Buffer): void;
}

type Phase = 'idle' | 'head' | 'length' | 'chunks' | 'to-end' | 'stopped';

/**
 * Reads HTTP/1.x responses from one connection to a sandbox. What the sandbox says is not trusted: every length is
 * bounded, and what goes to the client is framed anew, so a wrong answer harms only the sandbox that gave it.
 */
export class ResponseParser {
  readonly #headBytes: number;
  #phase: Phase = 'idle';
  #sink: ResponseSink | undefined;
  #method = 'GET';
  #upgrade = false;
  #head: HeaderReader;
  #chunks: ChunkReader | undefined;
  #left = 0;
  #reusable = false;

  constructor(headBytes: number) {
    this.#headBytes = headBytes;
    this.#head = new HeaderReader(headBytes);
  }

  /** Expect the response to a request of this method. */
  begin(sink: ResponseSink, method: string, upgrade: boolean): void {
    this.#sink = sink;
    this.#method = method;
    this.#upgrade = upgrade;
    this.#phase = 'head';
    this.#head.reset();
  }

  stop(): void {
    this.#phase = 'stopped';
    this.#sink = undefined;
  }

  feed(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      switch (this.#phase) {
        case 'idle':
          throw new ProtocolError('bytes that no request asked for');
        case 'stopped':
          return;
        case 'head':
          at = this.#head.read(bytes, at);
          if (this.#head.done) this.#headDone(bytes, at);
          break;
        case 'length':
          at = this.#bodyOfLength(bytes, at);
          break;
        case 'to-end':
          this.#sink?.onBody(at === 0 ? bytes : bytes.subarray(at));
          return;
        case 'chunks':
          at = this.#bodyOfChunks(bytes, at);
          break;
      }
    }
  }

  /** The server closed its side. Gives whether the response is whole. */
  end(): boolean {
    if (this.#phase !== 'to-end') return false;
    this.#complete([], false);
    return true;
  }

  #headDone(bytes: Buffer, at: number): void {
    const head = this.#head.take();
    if (head.status === 101) {
      if (!this.#upgrade) throw new ProtocolError('101 to a request that asked for no upgrade');
      const sink = this.#sink;
      this.stop();
      sink?.onUpgrade(head, bytes.subarray(at));
      return;
    }
    if (head.status < 200) {
      this.#head.reset();
      this.#sink?.onInformation(head);
      return;
    }
    this.#reusable = head.keepAlive;
    const bodyless = this.#method === 'HEAD' || head.status === 204 || head.status === 304;
    if (bodyless) this.#phase = 'length';
    else if (head.chunked) this.#phase = 'chunks';
    else if (head.length >= 0) this.#phase = 'length';
    else this.#phase = 'to-end';
    this.#left = bodyless ? 0 : head.length;
    if (this.#phase === 'chunks') this.#chunks = new ChunkReader(this.#headBytes);
    this.#sink?.onHead(head);
    // The sink may have given up in between.
    if ((this.#phase as Phase) === 'length' && this.#left === 0) this.#complete([], this.#reusable);
  }

  #bodyOfLength(bytes: Buffer, at: number): number {
    const take = Math.min(this.#left, bytes.length - at);
    this.#left -= take;
    this.#sink?.onBody(at === 0 && take === bytes.length ? bytes : bytes.subarray(at, at + take));
    if (this.#left === 0 && this.#phase === 'length') this.#complete([], this.#reusable);
    return at + take;
  }

  #bodyOfChunks(bytes: Buffer, from: number): number {
    const chunks = this.#chunks as ChunkReader;
    let at = from;
    while (at < bytes.length && !chunks.done) {
      const take = chunks.data(bytes.length - at);
      if (take > 0) {
        this.#sink?.onBody(bytes.subarray(at, at + take));
        if (this.#phase !== 'chunks') return bytes.length;
        at += take;
      } else {
        at = chunks.read(bytes, at);
      }
    }
    if (chunks.done) this.#complete(chunks.trailers, this.#reusable);
    return at;
  }

  #complete(trailers: readonly string[], reusable: boolean): void {
    const sink = this.#sink;
    this.#phase = 'idle';
    this.#sink = undefined;
    this.#chunks = undefined;
    sink?.onComplete(trailers, reusable);
  }
}
