import { appendFile, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../kit/clock.ts';
import { encodeRecord, RECORD_BYTES, RECORD_DATA_BYTES_MAX, readHeader } from './record.ts';
import { bytesOf, listSegments } from './segments.ts';

/** Segments that a journal is made of at most: with each that goes, as much of the limit is free again. */
const SEGMENTS = 8;

/** Writes a journal as the helper does, for programs that this process holds itself. Calls must not overlap. */
export class JournalWriter {
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #segmentBytes: number;
  #seq: number;
  #offset: number;
  #segment: { readonly path: string; bytes: number } | undefined;

  private constructor(dir: string, limitBytes: number, clock: Clock, seq: number, offset: number) {
    this.#dir = dir;
    this.#clock = clock;
    this.#segmentBytes = Math.max(RECORD_BYTES + 1, Math.floor(limitBytes / SEGMENTS));
    this.#seq = seq;
    this.#offset = offset;
  }

  /** Goes on after what an earlier incarnation wrote. */
  static async open(dir: string, limitBytes: number, clock: Clock): Promise<JournalWriter> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const last = (await listSegments(dir))?.at(-1);
    const bytes = last === undefined ? Buffer.alloc(0) : await readFile(last.path);
    let seq = 0;
    let offset = 0;
    for (let at = 0; ; ) {
      const header = readHeader(bytes, at);
      if (header === undefined) break;
      seq = header.seq;
      offset = header.offset + header.dropped + header.length;
      at += RECORD_BYTES + header.length;
    }
    return new JournalWriter(dir, limitBytes, clock, seq, offset);
  }

  async write(stream: 'stdout' | 'stderr' | 'arc', data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; at += RECORD_DATA_BYTES_MAX) {
      await this.#record(stream, data.subarray(at, at + RECORD_DATA_BYTES_MAX));
    }
  }

  async #record(stream: 'stdout' | 'stderr' | 'arc', data: Uint8Array): Promise<void> {
    this.#seq += 1;
    const record = encodeRecord(
      { seq: this.#seq, time: this.#clock.now(), offset: this.#offset, dropped: 0, stream },
      data,
    );
    if (this.#segment === undefined || this.#segment.bytes + record.length > this.#segmentBytes) await this.#next();
    if (this.#segment === undefined) return;
    await appendFile(this.#segment.path, record, { mode: 0o600 });
    this.#segment.bytes += record.length;
    this.#offset += data.length;
  }

  async #next(): Promise<void> {
    const segments = (await listSegments(this.#dir)) ?? [];
    const most = this.#segmentBytes * (SEGMENTS - 1);
    for (const [at, { path, first }] of segments.entries()) {
      if ((await bytesOf(segments.slice(at))) <= most) break;
      const before = readHeader(await readFile(path), 0)?.offset ?? 0;
      const line = Buffer.alloc(16);
      line.writeBigUInt64LE(BigInt(first), 0);
      line.writeBigUInt64LE(BigInt(before), 8);
      await appendFile(join(this.#dir, 'dropped'), line, { mode: 0o600 });
      await rm(path, { force: true });
    }
    const path = join(this.#dir, `${String(this.#seq).padStart(20, '0')}.seg`);
    this.#segment = { path, bytes: 0 };
  }
}
