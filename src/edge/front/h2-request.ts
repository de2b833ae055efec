import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { ArcError } from '../../contract/errors.ts';
import type { ClientRequest } from './client.ts';

const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$/;
/** A path with its query: no white space, no control characters, no fragment; else it would end the request line. */
const PATH = /^(?:\/[!-"$-~\x80-\xff]*|\*)$/;
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** Fields that mean the connection. HTTP/2 has none; they would change how the sandbox reads the request. */
const OF_THE_CONNECTION = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

/** The head of an HTTP/2 request, as HTTP/1.1 has it. */
export interface H2Head {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly headers: ClientRequest['headers'];
}

/**
 * What HTTP/2 carries in frames becomes lines for a sandbox that speaks HTTP/1.1, so whatever could end a line or frame
 * a body in another way is refused, here as well as by node's own library.
 * @param raw name, value, name, value, …
 * @param bodiless the client sent no body
 */
export function h2Head(raw: readonly string[], bodiless: boolean): H2Head {
  const pseudo = new Map<string, string>();
  const lines: string[] = [];
  const cookies: string[] = [];
  const headers: { accept?: string; cookie?: string } = {};
  let host: string | undefined;
  let hasLength = false;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as string;
    const value = raw[at + 1] as string;
    if (!VALUE.test(value)) throw refuse('a field with a control character in its value');
    if (name.startsWith(':')) {
      if (pseudo.has(name)) throw refuse(`${name} twice`);
      pseudo.set(name, value);
      continue;
    }
    if (!NAME.test(name)) throw refuse('a field without a proper name');
    if (OF_THE_CONNECTION.has(name)) throw refuse(`the field ${name}, which HTTP/2 does not have`);
    if (name === 'host') {
      if (host !== undefined) throw refuse('host twice');
      host = value;
    } else if (name === 'cookie') cookies.push(value);
    else {
      if (name === 'content-length') hasLength = true;
      if (name === 'accept') headers.accept ??= value;
      lines.push(name, value);
    }
  }
  const authority = pseudo.get(':authority') ?? host;
  if (authority === undefined) throw refuse('neither :authority nor host');
  if (host !== undefined && host.toLowerCase() !== authority.toLowerCase())
    throw refuse('a host unlike its :authority');
  const { method, url } = target(pseudo);
  if (cookies.length > 0) {
    headers.cookie = cookies.join('; ');
    lines.push('cookie', headers.cookie);
  }
  if (!bodiless && !hasLength) lines.push('transfer-encoding', 'chunked');
  return { method, url, rawHeaders: ['host', authority, ...lines], headers: { ...headers, host: authority } };
}

function target(pseudo: ReadonlyMap<string, string>): { readonly method: string; readonly url: string } {
  const method = pseudo.get(':method') ?? '';
  const url = pseudo.get(':path') ?? '';
  if (!METHOD.test(method) || method === 'CONNECT') throw refuse('a method that is not served');
  if (!PATH.test(url)) throw refuse('a :path that is none');
  return { method, url };
}

const refuse = (what: string) => new ArcError('invalid_request', `The request has ${what}.`);

export class H2Request implements ClientRequest {
  readonly method: string;
  readonly url: string;
  readonly httpVersionMinor = 1;
  readonly rawHeaders: readonly string[];
  readonly headers: ClientRequest['headers'];
  readonly socket: ClientRequest['socket'];
  rawTrailers: readonly string[] = [];
  readonly #stream: ServerHttp2Stream;

  constructor(stream: ServerHttp2Stream, head: H2Head, remoteAddress: string | undefined) {
    this.#stream = stream;
    this.method = head.method;
    this.url = head.url;
    this.rawHeaders = head.rawHeaders;
    this.headers = head.headers;
    this.socket = { remoteAddress, encrypted: true };
    stream.on('trailers', (trailers: IncomingHttpHeaders) => {
      this.rawTrailers = Object.entries(trailers).flatMap(([name, value]) =>
        [value].flat().flatMap((one) => (one !== undefined && NAME.test(name) && VALUE.test(one) ? [name, one] : [])),
      );
    });
  }

  on(event: 'data' | 'end', listener: (bytes: Buffer) => void): unknown {
    return this.#stream.on(event, listener);
  }

  off(event: 'data' | 'end', listener: (bytes: Buffer) => void): unknown {
    return this.#stream.off(event, listener);
  }

  pause(): unknown {
    return this.#stream.pause();
  }

  resume(): unknown {
    return this.#stream.resume();
  }
}
