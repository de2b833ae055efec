import { ProtocolError } from './failure.ts';

/**
 * Cuts bytes into lines across reads, up to a bound. Ends are CRLF or a bare LF: small hand-written servers send the
 * latter, and since what the client gets is framed anew, nothing can be smuggled by it.
 */
export class LineReader {
  readonly #bytesMax: number;
  #partial = '';
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  reset(): void {
    this.#partial = '';
    this.#bytes = 0;
  }

  /**
   * Reads from `at` until `onLine` says stop (true) or the bytes are used up; gives where it stopped.
   * Latin-1 makes one character of each byte, so positions in the text are positions in the bytes.
   */
  read(bytes: Buffer, at: number, end: number, onLine: (line: string) => boolean): number {
    const text = bytes.toString('latin1', at, Math.min(end, at + this.#bytesMax + 1));
    let position = 0;
    for (;;) {
      const newline = text.indexOf('\n', position);
      const stop = newline < 0 ? text.length : newline + 1;
      this.#bytes += stop - position;
      if (this.#bytes > this.#bytesMax) throw new ProtocolError(`more than ${this.#bytesMax} bytes of header`);
      if (newline < 0) {
        this.#partial += text.slice(position);
        return at + text.length;
      }
      let line = text.slice(position, newline);
      if (this.#partial !== '') {
        line = this.#partial + line;
        this.#partial = '';
      }
      if (line.charCodeAt(line.length - 1) === 13) line = line.slice(0, -1);
      position = stop;
      if (onLine(line)) return at + position;
    }
  }
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Control characters but the tab: what could end a line, or hide in it. */
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;

/** `Name: value`, checked and without the white space around the value. */
export function parseField(line: string): { readonly name: string; readonly value: string } {
  const colon = line.indexOf(':');
  const name = line.slice(0, Math.max(colon, 0));
  if (!TOKEN.test(name)) throw new ProtocolError('a header line without a proper name');
  let start = colon + 1;
  let end = line.length;
  while (start < end && isBlank(line.charCodeAt(start))) start += 1;
  while (end > start && isBlank(line.charCodeAt(end - 1))) end -= 1;
  const value = line.slice(start, end);
  if (CONTROL.test(value)) throw new ProtocolError(`a control character in ${name}`);
  return { name, value };
}

const isBlank = (code: number): boolean => code === 32 || code === 9;
