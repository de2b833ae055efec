import { ProtocolError } from './failure.ts';
import { LineReader, parseField } from './lines.ts';

/** Status and header of a response, without the fields that were for our connection only. */
export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  /** Name, value, name, value, …, in the server's order and spelling. */
  readonly headers: string[];
  /** Bytes of the body as declared, or -1. */
  readonly length: number;
  readonly chunked: boolean;
  readonly keepAlive: boolean;
  readonly upgrade: string | undefined;
  /** Some field needs a closer look before it goes to the client. */
  readonly hasCookie: boolean;
  readonly hasLocation: boolean;
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
const LENGTH = /^[0-9]{1,15}$/;

export class HeaderReader {
  readonly #lines: LineReader;
  #started = false;
  #version10 = false;
  #status = 0;
  #reason = '';
  #headers: string[] = [];
  #length = -1;
  #chunked = false;
  #connection = '';
  #upgrade: string | undefined;
  #hasCookie = false;
  #hasLocation = false;
  done = false;

  constructor(bytesMax: number) {
    this.#lines = new LineReader(bytesMax);
  }

  reset(): void {
    this.#lines.reset();
    this.#started = false;
    this.#headers = [];
    this.#length = -1;
    this.#chunked = false;
    this.#connection = '';
    this.#upgrade = undefined;
    this.#hasCookie = false;
    this.#hasLocation = false;
    this.done = false;
  }

  read(bytes: Buffer, at: number): number {
    const end = bytes.indexOf('\r\n\r\n', at, 'latin1');
    return this.#lines.read(bytes, at, end < 0 ? bytes.length : end + 4, this.#onLine);
  }

  readonly #onLine = (line: string): boolean => {
    if (!this.#started) this.#statusLine(line);
    else if (line === '') this.done = true;
    else this.#field(line);
    return this.done;
  };

  #statusLine(line: string): void {
    const match = STATUS_LINE.exec(line);
    if (!match) throw new ProtocolError('the answer does not begin with an HTTP/1.x status line');
    this.#started = true;
    this.#version10 = match[1] === '0';
    this.#status = Number(match[2]);
    this.#reason = match[3] ?? '';
  }

  #field(line: string): void {
    const first = line.charCodeAt(0);
    if (first === 32 || first === 9) {
      this.#folded(line);
      return;
    }
    const { name, value } = parseField(line);
    switch (name.toLowerCase()) {
      case 'content-length':
        this.#contentLength(value);
        return;
      case 'transfer-encoding':
        if (value.toLowerCase() !== 'chunked' || this.#chunked) throw new ProtocolError(`transfer encoding ${value}`);
        this.#chunked = true;
        return;
      case 'connection':
        this.#connection += `,${value.toLowerCase()}`;
        return;
      case 'upgrade':
        this.#upgrade = value;
        return;
      case 'keep-alive':
      case 'proxy-connection':
      case 'proxy-authenticate':
      case 'te':
      case 'arc-error':
        return;
      case 'set-cookie':
        this.#hasCookie = true;
        break;
      case 'location':
        this.#hasLocation = true;
        break;
    }
    this.#headers.push(name, value);
  }

  /** A folded line goes on with the value before it; it is passed on as one line. */
  #folded(line: string): void {
    const { value } = parseField(`x:${line}`);
    const last = this.#headers.length - 1;
    if (last < 1) throw new ProtocolError('the header begins with a folded line');
    this.#headers[last] += ` ${value}`;
  }

  #contentLength(value: string): void {
    if (!LENGTH.test(value)) throw new ProtocolError('Content-Length is not a number of bytes');
    const length = Number(value);
    if (this.#length >= 0 && this.#length !== length) throw new ProtocolError('two different Content-Lengths');
    this.#length = length;
  }

  take(): ResponseHead {
    const connection = this.#connection;
    const closes = connection.includes('close');
    const asked = connection.includes('keep-alive');
    return {
      status: this.#status,
      reason: this.#reason,
      headers: connection === '' ? this.#headers : withoutNamed(this.#headers, connection),
      // Chunked wins where both are given; such a connection isn't used again.
      length: this.#chunked ? -1 : this.#length,
      chunked: this.#chunked,
      keepAlive: !closes && (asked || !this.#version10) && !(this.#chunked && this.#length >= 0),
      upgrade: this.#upgrade,
      hasCookie: this.#hasCookie,
      hasLocation: this.#hasLocation,
    };
  }
}

/** Drops the fields that the Connection header names as meant for this hop only. */
function withoutNamed(headers: string[], connection: string): string[] {
  if (connection === ',keep-alive' || connection === ',close' || connection === ',upgrade') return headers;
  const named = new Set(connection.split(',').map((token) => token.trim()));
  const kept: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] as string;
    if (!named.has(name.toLowerCase())) kept.push(name, headers[at + 1] as string);
  }
  return kept;
}
