import { connect, type Socket } from 'node:net';
import type { HttpRequest, HttpResponse, Transport } from '../sdk/transport.ts';

/**
 * HTTP/1.1 for the short requests that nearly every command makes, over `node:net`: loading `node:http` takes longer than all
 * the rest of `arc ls`. One connection for each request. Whatever it is not made for (TLS, streamed uploads) goes to
 * `node:http` after all.
 */
export const quickTransport: Transport = async (request) => {
  const streamed = request.body !== undefined && typeof request.body !== 'string';
  if (streamed || !request.url.startsWith('http://')) return (await import('./http.ts')).nodeTransport(request);
  return plainRequest(request);
};

/** Largest head of an answer, bytes. */
const HEAD_BYTES_MAX = 65_536;

async function plainRequest(request: HttpRequest): Promise<HttpResponse> {
  const url = new URL(request.url);
  const { signal } = request;
  signal?.throwIfAborted();
  const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) });
  const onAbort = () => socket.destroy(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
  signal?.addEventListener('abort', onAbort, { once: true });
  socket.once('close', () => signal?.removeEventListener('abort', onAbort));
  try {
    socket.write(requestText(request, url));
    const reader = new Reader(socket);
    let head = parseHead(await reader.until('\r\n\r\n', HEAD_BYTES_MAX));
    // Interim answers, such as 100, come before the one that counts.
    while (head.status < 200) head = parseHead(await reader.until('\r\n\r\n', HEAD_BYTES_MAX));
    return {
      status: head.status,
      header: (name) => head.headers.get(name.toLowerCase()),
      body: request.method === 'HEAD' ? nothing(socket) : bodyOf(head, reader, socket),
      cancel: async () => {
        socket.destroy();
      },
    };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function requestText(request: HttpRequest, url: URL): string {
  const body = typeof request.body === 'string' ? request.body : '';
  const lines = [`${request.method} ${url.pathname}${url.search} HTTP/1.1`, `host: ${url.host}`, 'connection: close'];
  for (const [name, value] of Object.entries(request.headers)) {
    if (/[\r\n\0]/.test(value)) throw new Error(`the header ${name} holds a line break`);
    lines.push(`${name}: ${value}`);
  }
  if (request.body !== undefined || request.method === 'POST' || request.method === 'PUT') {
    lines.push(`content-length: ${Buffer.byteLength(body)}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

interface Head {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
}

export function parseHead(text: string): Head {
  const [first = '', ...rest] = text.split('\r\n');
  const match = /^HTTP\/1\.[01] ([1-5][0-9]{2})(?: |$)/.exec(first);
  if (!match) throw new Error('the answer is not HTTP');
  const headers = new Map<string, string>();
  for (const line of rest) {
    const colon = line.indexOf(':');
    if (colon <= 0) throw new Error('the answer has a header that is none');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return { status: Number(match[1]), headers };
}

async function* bodyOf(head: Head, reader: Reader, socket: Socket): AsyncGenerator<Uint8Array, void, void> {
  try {
    const length = head.headers.get('content-length');
    if (head.status === 204 || head.status === 304) return;
    if (head.headers.get('transfer-encoding')?.toLowerCase() === 'chunked') yield* chunks(reader);
    else if (length === undefined) yield* reader.rest();
    else if (/^[0-9]{1,15}$/.test(length)) yield* reader.exactly(Number(length));
    else throw new Error('the answer has a length that is none');
  } finally {
    socket.destroy();
  }
}

// biome-ignore lint/correctness/useYield: the answer to a HEAD has no body, whatever length it names.
async function* nothing(socket: Socket): AsyncGenerator<Uint8Array, void, void> {
  socket.destroy();
}

/** Longest line before a chunk, bytes. */
const CHUNK_LINE_BYTES_MAX = 256;

async function* chunks(reader: Reader): AsyncGenerator<Uint8Array, void, void> {
  for (;;) {
    const size = /^([0-9a-f]{1,8})[ \t]*(?:;|$)/i.exec(await reader.until('\r\n', CHUNK_LINE_BYTES_MAX))?.[1];
    if (size === undefined) throw new Error('the answer has a chunk that is none');
    if (Number.parseInt(size, 16) === 0) return;
    yield* reader.exactly(Number.parseInt(size, 16));
    if ((await reader.until('\r\n', 2)) !== '') throw new Error('the answer has a chunk that is longer than it says');
  }
}

/** Takes bytes from the connection as they are asked for; not asking makes the server wait. */
class Reader {
  readonly #source: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#source = (socket as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  async until(mark: string, max: number): Promise<string> {
    for (;;) {
      const at = this.#held.indexOf(mark);
      if (at >= 0) {
        const text = this.#held.toString('latin1', 0, at);
        this.#held = this.#held.subarray(at + mark.length);
        return text;
      }
      if (this.#held.length >= max + mark.length) throw new Error('the answer is not HTTP, or too long a head');
      if (!(await this.#more())) throw new Error('the connection was closed in the middle of an answer');
    }
  }

  async *exactly(count: number): AsyncGenerator<Uint8Array, void, void> {
    for (let left = count; left > 0; ) {
      if (this.#held.length === 0 && !(await this.#more())) {
        throw new Error('the connection was closed in the middle of an answer');
      }
      const piece = this.#held.subarray(0, left);
      this.#held = this.#held.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  async *rest(): AsyncGenerator<Uint8Array, void, void> {
    do {
      const piece = this.#held;
      this.#held = Buffer.alloc(0);
      if (piece.length > 0) yield piece;
    } while (await this.#more());
  }

  async #more(): Promise<boolean> {
    const next = await this.#source.next();
    if (next.done) return false;
    this.#held = this.#held.length === 0 ? next.value : Buffer.concat([this.#held, next.value]);
    return true;
  }
}
