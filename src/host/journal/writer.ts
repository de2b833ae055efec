import { appendFile, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LOG_METER, meterLog } from '../../domain/log-rate.ts';
import type { Clock } from '../../kit/clock.ts';
import { encodeRecord, RECORD_BYTES, RECORD_DATA_BYTES_MAX, readHeader } from './record.ts';
import { bytesOf, listSegments } from './segments.ts';

/** Segments that a journal is made of at most: with each that goes, as much of the limit is free again. */
const SEGMENTS = 8;

export interface JournalLimits {
  /** Kept at most. */
  readonly bytes: number;
  /** Bytes a second. */
  readonly rate: number;
}

/** Writes a journal as the helper does, for programs that this process holds itself. Calls must not overlap. */
export class JournalWriter {
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #segmentBytes: number;
  readonly #rate: number;
  #meter = LOG_METER;
  /** Bytes that were dropped since the last record. */
  #lost = 0;
  #seq: number;
  #offset: number;
  #segment: { readonly path: string; bytes: number } | undefined;

  private constructor(dir: string, limits: JournalLimits, clock: Clock, seq: number, offset: number) {
    this.#dir = dir;
    this.#clock = clock;
    this.#segmentBytes = Math.max(RECORD_BYTES + 1, Math.floor(limits.bytes / SEGMENTS));
    this.#rate = limits.rate;
    this.#seq = seq;
    this.#offset = offset;
  }

  /** Goes on after what an earlier incarnation wrote. */
  static async open(dir: string, limits: JournalLimits, clock: Clock): Promise<JournalWriter> {
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
    return new JournalWriter(dir, limits, clock, seq, offset);
  }

  async write(stream: 'stdout' | 'stderr' | 'arc', data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; at += RECORD_DATA_BYTES_MAX) {
      const part = data.subarray(at, at + RECORD_DATA_BYTES_MAX);
      this.#meter = meterLog(this.#meter, this.#clock.monotonic(), part.length, this.#rate);
      if (this.#meter.held) {
        this.#lost += part.length;
        continue;
      }
      await this.#sayLost();
      await this.#record(stream, part);
    }
  }

  /** Nothing more is written: what was dropped at the end is said. */
  async close(): Promise<void> {
    await this.#sayLost();
  }

  async #sayLost(): Promise<void> {
    const dropped = this.#lost;
    if (dropped === 0) return;
    const note = `${dropped} bytes of output were dropped: they came faster than the log takes them\n`;
    await this.#record('arc', Buffer.from(note), dropped);
    this.#lost = 0;
  }

  async #record(stream: 'stdout' | 'stderr' | 'arc', data: Uint8Array, dropped = 0): Promise<void> {
    this.#seq += 1;
    const record = encodeRecord(
      { seq: this.#seq, time: this.#clock.now(), offset: this.#offset, dropped, stream },
      data,
    );
    if (this.#segment === undefined || this.#segment.bytes + record.length > this.#segmentBytes) await this.#next();
    if (this.#segment === undefined) return;
    await appendFile(this.#segment.path, record, { mode: 0o600 });
    this.#segment.bytes += record.length;
    this.#offset += dropped + data.length;
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
