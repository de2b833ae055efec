import type { LogEntry } from '../../sdk/index.ts';

/** Chunks of a journal → lines to read. Pure. */

export interface LogLine {
  /** Of the entry that it began in. */
  readonly seq: number;
  readonly time: string;
  readonly stream: LogEntry['stream'];
  readonly text: string;
}

/** A line longer than this is broken, in characters: a program may never end one. */
export const LINE_CHARS_MAX = 4_000;

/** ECMA-48 sequences (CSI, OSC and its kin, two-byte ones) and every control character but tab. */
const ESCAPES =
  /\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** What a program prints is shown as text and does nothing: no colour, no cursor, no title, no turning of the text. */
export function plain(text: string): string {
  return text.replace(ESCAPES, '');
}

export class LineReader {
  readonly #open = new Map<LogEntry['stream'], { text: string; seq: number; time: string }>();
  readonly #decoders = new Map<LogEntry['stream'], TextDecoder>();

  /** The lines that this entry ends. */
  read(entry: LogEntry): LogLine[] {
    const { seq, time, stream } = entry;
    if (entry.droppedBytes !== undefined) {
      return [{ seq, time, stream: 'arc', text: `${entry.droppedBytes} bytes are missing here: ${plain(entry.data)}` }];
    }
    const held = this.#open.get(stream) ?? { text: '', seq, time };
    const parts = (held.text + this.#decode(entry)).split('\n');
    const rest = parts.pop() ?? '';
    const lines = parts.flatMap((text, at) => this.#broken(text, at === 0 ? held : { seq, time }, stream));
    const fresh = parts.length > 0 || held.text === '';
    if (rest.length > LINE_CHARS_MAX) {
      lines.push(...this.#broken(rest, fresh ? { seq, time } : held, stream));
      this.#open.delete(stream);
    } else this.#open.set(stream, { text: rest, ...(fresh ? { seq, time } : { seq: held.seq, time: held.time }) });
    return lines;
  }

  /** Lines that were begun and not ended. */
  rest(): LogLine[] {
    const open = [...this.#open].filter(([, { text }]) => text !== '');
    return open.map(([stream, { text, seq, time }]) => ({ seq, time, stream, text: plain(text) }));
  }

  #broken(text: string, from: { seq: number; time: string }, stream: LogEntry['stream']): LogLine[] {
    const clean = plain(text.replace(/\r$/, '').replace(/^.*\r/, ''));
    const { seq, time } = from;
    if (clean.length <= LINE_CHARS_MAX) return [{ seq, time, stream, text: clean }];
    const lines: LogLine[] = [];
    for (let at = 0; at < clean.length; at += LINE_CHARS_MAX) {
      lines.push({ seq, time, stream, text: clean.slice(at, at + LINE_CHARS_MAX) });
    }
    return lines;
  }

  #decode({ stream, data, encoding }: LogEntry): string {
    if (encoding === 'utf8') return data;
    const decoder = this.#decoders.get(stream) ?? new TextDecoder();
    this.#decoders.set(stream, decoder);
    return decoder.decode(Uint8Array.from(atob(data), (char) => char.charCodeAt(0)));
  }
}
