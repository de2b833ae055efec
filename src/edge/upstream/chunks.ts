import { ProtocolError } from './failure.ts';
import { LineReader, parseField } from './lines.ts';

const SIZE_LINE = /^([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?$/;
/** Of one size line with its extensions. */
const SIZE_LINE_BYTES = 4 * 1024;

/** The chunked coding: sizes, ends and trailers. The data itself passes by, counted. */
export class ChunkReader {
  readonly #sizes = new LineReader(SIZE_LINE_BYTES);
  readonly #trailerLines: LineReader;
  readonly trailers: string[] = [];
  #phase: 'size' | 'data' | 'data-end' | 'trailers' = 'size';
  #left = 0;
  done = false;

  constructor(trailerBytes: number) {
    this.#trailerLines = new LineReader(trailerBytes);
  }

  /** How many of the next `available` bytes are data; they count as read. */
  data(available: number): number {
    if (this.#phase !== 'data') return 0;
    const take = Math.min(this.#left, available);
    this.#left -= take;
    if (this.#left === 0) this.#phase = 'data-end';
    return take;
  }

  read(bytes: Buffer, at: number): number {
    if (this.#phase === 'trailers') return this.#trailerLines.read(bytes, at, bytes.length, this.#onTrailer);
    // A size line is short: looking at more of the data behind it would only cost.
    const end = Math.min(bytes.length, at + 64);
    return this.#sizes.read(bytes, at, end, this.#phase === 'size' ? this.#onSize : this.#onDataEnd);
  }

  readonly #onSize = (line: string): boolean => {
    const match = SIZE_LINE.exec(line);
    if (!match?.[1]) throw new ProtocolError('a chunk without a size');
    this.#left = Number.parseInt(match[1], 16);
    this.#phase = this.#left === 0 ? 'trailers' : 'data';
    this.#sizes.reset();
    return true;
  };

  readonly #onDataEnd = (line: string): boolean => {
    if (line !== '') throw new ProtocolError('a chunk longer than its size');
    this.#phase = 'size';
    this.#sizes.reset();
    return true;
  };

  readonly #onTrailer = (line: string): boolean => {
    if (line === '') {
      this.done = true;
    } else {
      const { name, value } = parseField(line);
      this.trailers.push(name, value);
    }
    return this.done;
  };
}
