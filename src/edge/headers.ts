import { withoutArcCookies } from './cookies.ts';

/** What a client's header comes to: what goes on to the sandbox, and what frames its body. */
export interface RequestHeaders {
  /** Header lines to send, each with its CRLF. Host, framing and forwarding fields are not among them. */
  readonly lines: string;
  readonly hostCount: number;
  /** Bytes of the body; 0 for none, -1 for chunked. */
  readonly bodyLength: number;
  /** The line that says so to the sandbox. */
  readonly framing: string;
  /** Why the request can't be passed on. */
  readonly fault?: string;
}

const CONTENT_LENGTH = /^[0-9]{1,15}$/;
/** Fields that say how a client reached us. A client's own values are never believed, in either spelling: programs
 * behind CGI-like interfaces can't tell `_` from `-`. */
const FORWARDING = /^(?:x[-_]forwarded[-_]|x[-_]real[-_]ip$|forwarded$|arc[-_])/;

/** Tokens of a Connection header that name other fields; the usual values name none. */
export function namedByConnection(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined) return undefined;
  const value = connection.toLowerCase();
  if (value === 'keep-alive' || value === 'close' || value === 'upgrade') return undefined;
  return new Set(value.split(',').map((token) => token.trim()));
}

/** One pass over what the client sent, in its own order and spelling. */
export function requestHeaders(raw: readonly string[], connection: string | undefined): RequestHeaders {
  const named = namedByConnection(connection);
  let lines = '';
  let hostCount = 0;
  let bodyLength = 0;
  let framing = '';
  let chunked = false;
  let fault: string | undefined;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as string;
    let value = raw[at + 1] as string;
    const lower = name.toLowerCase();
    switch (lower) {
      case 'host':
        hostCount += 1;
        continue;
      case 'content-length':
        if (!CONTENT_LENGTH.test(value)) fault = 'Content-Length is not a number of bytes';
        bodyLength = Number(value);
        framing = `Content-Length: ${value}\r\n`;
        continue;
      case 'transfer-encoding':
        if (chunked || value.toLowerCase() !== 'chunked') fault = 'The only transfer encoding served is chunked, once';
        chunked = true;
        continue;
      case 'te':
        if (!/\btrailers\b/i.test(value)) continue;
        value = 'trailers';
        break;
      case 'connection':
      case 'keep-alive':
      case 'proxy-connection':
      case 'proxy-authorization':
      case 'proxy-authenticate':
      case 'upgrade':
      case 'http2-settings':
      case 'expect':
        continue;
      case 'cookie': {
        const kept = withoutArcCookies(value);
        if (kept === undefined) continue;
        value = kept;
        break;
      }
      default: {
        const first = lower.charCodeAt(0);
        // x, f, a
        if ((first === 120 || first === 102 || first === 97) && FORWARDING.test(lower)) continue;
      }
    }
    if (named?.has(lower) && lower !== 'te') continue;
    lines += `${name}: ${value}\r\n`;
    if (lower === 'te') lines += 'Connection: TE\r\n';
  }
  if (chunked) {
    if (framing !== '') fault = 'Content-Length and Transfer-Encoding exclude each other';
    bodyLength = -1;
    framing = 'Transfer-Encoding: chunked\r\n';
  }
  const found = { lines, hostCount, bodyLength, framing };
  return fault === undefined ? found : { ...found, fault };
}

/** Trailers of a request, as lines. Fields that frame or route a message mean nothing there and are dropped. */
export function trailerLines(raw: readonly string[]): string {
  let lines = '';
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as string;
    if (allowedInTrailer(name)) lines += `${name}: ${raw[at + 1]}\r\n`;
  }
  return lines;
}

const NOT_IN_TRAILERS = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'upgrade',
  'te',
  'trailer',
  'cookie',
  'set-cookie',
  'authorization',
  'expect',
  'content-encoding',
  'content-type',
  'content-range',
]);

export function allowedInTrailer(name: string): boolean {
  const lower = name.toLowerCase();
  return !NOT_IN_TRAILERS.has(lower) && !FORWARDING.test(lower);
}
