import { type FileHandle, open } from 'node:fs/promises';
import { RECORD_BYTES, RECORD_DATA_BYTES_MAX, type RecordHeader, readHeader } from './record.ts';
import type { Segment } from './segments.ts';

const BUFFER_BYTES = 4 * (RECORD_BYTES + RECORD_DATA_BYTES_MAX);

export interface JournalRecord extends RecordHeader {
  readonly data: Buffer;
}

/** Reads the records of one segment in order. The file stays readable after the helper has dropped it. */
export class SegmentReader implements AsyncDisposable {
  readonly segment: Segment;
  readonly #file: FileHandle;
  #held: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Of the file, the end of what was read into `#held`. */
  #end = 0;

  private constructor(segment: Segment, file: FileHandle) {
    this.segment = segment;
    this.#file = file;
  }

  static async open(segment: Segment): Promise<SegmentReader> {
    return new SegmentReader(segment, await open(segment.path, 'r'));
  }

  /** The next whole record, or undefined: the end as it is now, or a record that is not (or never will be) whole. */
  async next(): Promise<JournalRecord | undefined> {
    for (;;) {
      const header = readHeader(this.#held, this.#at);
      const end = this.#at + RECORD_BYTES + (header?.length ?? 0);
      if (header && end <= this.#held.length) {
        const data = Buffer.from(this.#held.subarray(this.#at + RECORD_BYTES, end));
        this.#at = end;
        return { ...header, data };
      }
      if (!(await this.#fill())) return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }

  /**
   * Reads on from the first byte that is not used yet; what was torn then may have been written anew since. `false`:
   * nothing more is there than before.
   */
  async #fill(): Promise<boolean> {
    const from = this.#end - this.#held.length + this.#at;
    const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
    const { bytesRead } = await this.#file.read(buffer, 0, BUFFER_BYTES, from);
    const before = this.#held.subarray(this.#at);
    const now = buffer.subarray(0, bytesRead);
    this.#held = now;
    this.#at = 0;
    this.#end = from + bytesRead;
    return !now.equals(before);
  }
}
