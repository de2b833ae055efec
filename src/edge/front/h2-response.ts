import type { OutgoingHttpHeaders } from 'node:http';
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { ClientResponse } from './client.ts';

/** Fields of HTTP/1.1 connections; a client must take an answer with one for broken. */
const OF_THE_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'te',
]);
/** Of these node sends one value only, and throws otherwise; a sandbox that sends more is believed the first. */
const SINGLE = new Set(
  `access-control-allow-credentials access-control-max-age access-control-request-method age authorization
  content-encoding content-language content-length content-location content-md5 content-range content-type date dnt etag
  expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location
  max-forwards proxy-authorization range referer retry-after tk upgrade-insecure-requests user-agent
  x-content-type-options`.split(/\s+/),
);

/** Name, value, … → what node's HTTP/2 takes. */
export function h2Fields(headers: readonly string[]): Record<string, string | string[]> {
  const fields = Object.create(null) as Record<string, string | string[]>;
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = (headers[at] as string).toLowerCase();
    const value = headers[at + 1] as string;
    if (OF_THE_CONNECTION.has(name)) continue;
    const earlier = fields[name];
    if (earlier === undefined) fields[name] = value;
    else if (!SINGLE.has(name)) fields[name] = [earlier, value].flat();
  }
  return fields;
}

/** The answer to one HTTP/2 request, with the face of node's HTTP/1.1 one. */
export class H2Response implements ClientResponse {
  shouldKeepAlive = true;
  readonly socket = null;
  readonly #stream: ServerHttp2Stream;
  readonly #isHead: boolean;
  #trailers: Record<string, string | string[]> | undefined;
  /** The answer is over with its header. */
  #bodiless = false;

  constructor(stream: ServerHttp2Stream, method: string) {
    this.#stream = stream;
    this.#isHead = method === 'HEAD';
    // Where the client goes on sending a body that nobody takes any more, it is told so.
    stream.on('finish', () => {
      if (!stream.readableEnded && !stream.destroyed) stream.close(constants.NGHTTP2_NO_ERROR);
    });
  }

  get headersSent(): boolean {
    return this.#stream.headersSent;
  }

  get destroyed(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  writeHead(status: number, _reason: string, headers: string[]): void {
    if (this.destroyed) return;
    const fields = h2Fields(headers);
    this.#bodiless = this.#isHead || status === 204 || status === 304 || fields['content-length'] === '0';
    const waitForTrailers = !this.#bodiless && fields['content-length'] === undefined;
    if (waitForTrailers) this.#stream.on('wantTrailers', () => this.#sendTrailers());
    try {
      this.#stream.respond({ ':status': status, ...fields }, { endStream: this.#bodiless, waitForTrailers });
    } catch {
      // What can't be said in HTTP/2 is no answer.
      this.destroy();
    }
  }

  #sendTrailers(): void {
    if (this.#stream.destroyed) return;
    if (this.#trailers) this.#stream.sendTrailers(this.#trailers);
    else this.#stream.close();
  }

  /** Headers are a frame of their own: they are on their way already. */
  flushHeaders(): void {}

  write(bytes: Buffer): boolean {
    if (this.#bodiless || this.destroyed) return true;
    return this.#stream.write(bytes);
  }

  end(content?: Buffer | string, encoding: 'latin1' | 'utf8' = 'utf8'): void {
    if (this.#bodiless || this.destroyed) return;
    if (typeof content === 'string') this.#stream.end(content, encoding);
    else if (content) this.#stream.end(content);
    else this.#stream.end();
  }

  writeContinue(): void {
    this.#inform(100, {});
  }

  writeInformation(status: number, headers: OutgoingHttpHeaders): void {
    this.#inform(status, headers);
  }

  #inform(status: number, headers: OutgoingHttpHeaders): void {
    if (this.destroyed || this.headersSent) return;
    try {
      this.#stream.additionalHeaders({ ':status': status, ...headers });
    } catch {
      // An interim answer that HTTP/2 can't carry is left out; the final one is what counts.
    }
  }

  addTrailers(trailers: [string, string][]): void {
    this.#trailers = h2Fields(trailers.flat());
  }

  on(event: 'close' | 'drain', listener: () => void): unknown {
    return this.#stream.on(event, listener);
  }

  off(event: 'close', listener: () => void): unknown {
    return this.#stream.off(event, listener);
  }

  destroy(): void {
    // Closing it would end the body first, as if it were whole; this resets it.
    if (!this.#stream.destroyed) this.#stream.destroy(new Error('the answer can not be completed'));
  }
}
