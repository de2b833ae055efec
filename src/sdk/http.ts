import { ArcError } from '../contract/errors.ts';
import { readNdjson } from './ndjson.ts';
import { codeForStatus, fromProblem } from './problem.ts';
import type { HttpResponse, Transport } from './transport.ts';

/** Largest JSON answer that is read, bytes. */
export const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

export type QueryValue = string | number | boolean | readonly string[] | undefined;

export interface RequestOptions {
  readonly query?: Readonly<Record<string, QueryValue>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, as `application/octet-stream` unless `headers` say otherwise. */
  readonly content?: Uint8Array | Blob | AsyncIterable<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** A key, or the secret of a link; or, for pages of the server itself, the token of the session in its cookie. */
export type Credentials = { readonly key: string } | { readonly csrf: string };

/** Requests with the key, and errors as ArcError. Everything of the SDK that speaks HTTP goes through here. */
export class Http {
  readonly base: string;
  readonly #who: Credentials;
  readonly #transport: Transport;

  constructor(url: string, who: Credentials, transport: Transport) {
    this.base = url.replace(/\/+$/, '');
    this.#who = who;
    this.#transport = transport;
  }

  /** Who asks, as WebSocket subprotocols: browsers can set no header there. */
  get protocols(): string[] {
    return ['arc.v1', 'key' in this.#who ? `bearer.${this.#who.key}` : `csrf.${this.#who.csrf}`];
  }

  url(path: string, query: RequestOptions['query'] = {}): string {
    const pairs: string[] = [];
    for (const [name, value] of Object.entries(query)) {
      if (value === undefined) continue;
      const values = typeof value === 'object' ? value : [String(value)];
      for (const one of values) pairs.push(`${name}=${encodeURIComponent(one)}`);
    }
    return `${this.base}${path}${pairs.length > 0 ? `?${pairs.join('&')}` : ''}`;
  }

  async send(method: string, path: string, options: RequestOptions = {}): Promise<HttpResponse> {
    const { json, content, signal } = options;
    const type =
      json !== undefined ? 'application/json' : content !== undefined ? 'application/octet-stream' : undefined;
    let sourceError: unknown;
    const body = json !== undefined ? JSON.stringify(json) : watched(content, (error) => (sourceError = error));
    let response: HttpResponse;
    try {
      response = await this.#transport({
        method,
        url: this.url(path, options.query),
        headers: {
          ...('key' in this.#who ? { authorization: `Bearer ${this.#who.key}` } : { 'arc-csrf': this.#who.csrf }),
          ...(type === undefined ? {} : { 'content-type': type }),
          ...options.headers,
        },
        ...(body === undefined ? {} : { body }),
        ...(signal ? { signal } : {}),
      });
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      if (sourceError !== undefined) throw sourceError;
      throw new ArcError('not_connected', `no server answers at ${this.base}: ${reasonOf(cause)}`, { cause });
    }
    if (response.status >= 400) throw await toError(response);
    return response;
  }

  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const response = await this.send(method, path, {
      ...options,
      headers: { accept: 'application/json', ...options.headers },
    });
    const text = await this.#reading(readText(response), options.signal);
    if (text === '') return undefined as T;
    return JSON.parse(text) as T;
  }

  /** An answer of one JSON document a line, as it arrives. */
  async *lines<T>(method: string, path: string, options: RequestOptions = {}): AsyncGenerator<T, void, void> {
    const headers = { accept: 'application/x-ndjson', ...options.headers };
    const response = await this.send(method, path, { ...options, headers });
    const lines = readNdjson<T>(response.body);
    try {
      for (;;) {
        const next = await this.#reading(lines.next(), options.signal);
        if (next.done) return;
        // An error after the status was sent is the last line.
        const { error } = next.value as { error?: Record<string, unknown> };
        if (typeof error === 'object') throw fromProblem(error);
        yield next.value;
      }
    } finally {
      await lines.return().catch(() => {});
    }
  }

  async *bytes(method: string, path: string, options: RequestOptions = {}): AsyncGenerator<Uint8Array, void, void> {
    const response = await this.send(method, path, options);
    const chunks = response.body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#reading(chunks.next(), options.signal);
        if (next.done) return;
        yield next.value;
      }
    } finally {
      await chunks.return?.();
    }
  }

  async #reading<T>(step: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    try {
      return await step;
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      if (cause instanceof ArcError) throw cause;
      throw new ArcError('not_connected', `the connection to ${this.base} was lost: ${reasonOf(cause)}`, { cause });
    }
  }
}

async function readText(response: HttpResponse): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > ANSWER_BYTES_MAX) throw new ArcError('internal', 'the answer is too large');
  }
  return text + decoder.decode();
}

async function toError(response: HttpResponse): Promise<ArcError> {
  let text = '';
  try {
    text = await readText(response);
    const problem: unknown = JSON.parse(text);
    if (typeof problem === 'object' && problem !== null) {
      return fromProblem(problem as Record<string, unknown>, response.status);
    }
  } catch {
    // Not JSON, or cut off: the status is all there is to say.
  }
  return new ArcError(codeForStatus(response.status), `the server answered ${response.status}`);
}

/** The innermost message is the one that says what happened: `fetch failed` does not. */
function reasonOf(error: unknown): string {
  let text = String(error);
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    text = at.message || ('code' in at ? String(at.code) : text);
  return text;
}

/** Tells when it is the caller's own stream that fails, so that the server is not blamed for it. */
function watched(
  content: RequestOptions['content'],
  onError: (error: unknown) => void,
): Uint8Array | Blob | AsyncIterable<Uint8Array> | undefined {
  if (content === undefined || content instanceof Uint8Array || content instanceof Blob) return content;
  return (async function* () {
    try {
      yield* content;
    } catch (error) {
      onError(error);
      throw error;
    }
  })();
}
