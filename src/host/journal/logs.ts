import { join } from 'node:path';
import type { EngineLogs, LogChunk } from '../../engines/engine.ts';
import type { Clock } from '../../kit/clock.ts';
import { Bell } from './bell.ts';
import { RECORD_BYTES } from './record.ts';
import { SegmentReader } from './segment-reader.ts';
import { bytesOf, isMissing, listSegments, offsetOfDropped, type Segment } from './segments.ts';

type ReadOptions = { readonly since: number; readonly follow: boolean; readonly tail?: number };

/** How often a follower looks by itself, where the file system's word did not come. */
const LOOK_MS = 500;

/** The logs of this node: the reading side of the journals that the helper writes. Readers never slow the writer. */
export class JournalLogs implements EngineLogs {
  readonly #sandboxesDir: string;
  readonly #clock: Clock;

  constructor(sandboxesDir: string, clock: Clock) {
    this.#sandboxesDir = sandboxesDir;
    this.#clock = clock;
  }

  async *read(id: string, options: ReadOptions, signal: AbortSignal): AsyncGenerator<LogChunk> {
    const dir = this.#dir(id);
    const since = options.tail === undefined ? options.since : await this.#tailStart(dir, options, signal);
    using bell = options.follow ? new Bell(dir, signal) : undefined;
    const position = new Position(dir, since);
    try {
      for (;;) {
        yield* position.available(signal);
        if (!bell || signal.aborted) return;
        if ((await bell.wait(this.#clock, LOOK_MS)) === 'gone') {
          yield* position.available(signal);
          return;
        }
      }
    } finally {
      await position.close();
    }
  }

  /** Bytes kept on disk now, and bytes of output dropped since the first line. */
  async totals(id: string): Promise<{ readonly bytes: number; readonly dropped: number }> {
    const segments = (await listSegments(this.#dir(id))) ?? [];
    const [first, last] = [await firstRecord(segments), await lastRecord(segments)];
    const bytes = await bytesOf(segments);
    if (first === undefined || last === undefined) return { bytes, dropped: 0 };
    // Numbers have no gaps, so what was lost between two kept records is known without reading all of them.
    const kept = bytes - RECORD_BYTES * (last.seq - first.seq + 1);
    return { bytes, dropped: Math.max(0, last.offset + last.dropped + last.length - kept) };
  }

  #dir(id: string): string {
    return join(this.#sandboxesDir, id, 'log');
  }

  /** The sequence number before the newest `tail` records. */
  async #tailStart(dir: string, { since, tail = 0 }: ReadOptions, signal: AbortSignal): Promise<number> {
    const position = new Position(dir, since);
    let last = since;
    try {
      for await (const { seq } of position.available(signal)) last = seq;
    } finally {
      await position.close();
    }
    return Math.max(since, last - tail);
  }
}

async function firstRecord(segments: readonly Segment[]) {
  const [oldest] = segments;
  if (!oldest) return undefined;
  try {
    await using reader = await SegmentReader.open(oldest);
    return await reader.next();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function lastRecord(segments: readonly Segment[]) {
  const newest = segments.at(-1);
  if (!newest) return undefined;
  try {
    await using reader = await SegmentReader.open(newest);
    let last = await reader.next();
    for (let next = last; next; next = await reader.next()) last = next;
    return last;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Where one reader is. Goes from segment to segment, and says what was dropped before it came to it. */
class Position {
  readonly #dir: string;
  #seq: number;
  /** Bytes of output up to here; undefined until the first record was seen. */
  #offset: number | undefined;
  #reader: SegmentReader | undefined;

  constructor(dir: string, since: number) {
    this.#dir = dir;
    this.#seq = since;
    this.#offset = since === 0 ? 0 : undefined;
  }

  async close(): Promise<void> {
    await this.#reader?.[Symbol.asyncDispose]();
    this.#reader = undefined;
  }

  async *available(signal: AbortSignal): AsyncGenerator<LogChunk> {
    while (!signal.aborted) {
      const next = await this.#reader?.next();
      const after = next ? undefined : await this.#segmentAfter();
      /* With a later segment there this one is complete, but it may have grown since it was read to its end. */
      const record = next ?? (after && (await this.#reader?.next()));
      if (!record && !after) return;
      if (!record) await this.#open(after);
      if (!record) continue;
      if (record.seq <= this.#seq) continue;
      const missing = await this.#missingBefore(record.seq, record.offset);
      if (missing > 0) yield gap(record.seq - 1, record.time, missing);
      this.#seq = record.seq;
      this.#offset = record.offset + record.dropped + record.length;
      const { seq, time, stream, data, dropped } = record;
      yield { seq, time, stream, data, ...(dropped > 0 ? { droppedBytes: dropped } : {}) };
    }
  }

  /** Bytes that rotation took before this reader came. */
  async #missingBefore(seq: number, offset: number): Promise<number> {
    if (seq === this.#seq + 1) return 0;
    this.#offset ??= await offsetOfDropped(this.#dir, this.#seq);
    return Math.max(0, offset - this.#offset);
  }

  /** The segment that holds the next record; where that was dropped, the oldest after it. */
  async #segmentAfter(): Promise<Segment | undefined> {
    const segments = (await listSegments(this.#dir)) ?? [];
    const here = this.#reader?.segment.first;
    const later = segments.filter(({ first }) => here === undefined || first > here);
    return later.findLast(({ first }) => first <= this.#seq + 1) ?? later[0];
  }

  async #open(segment: Segment | undefined): Promise<void> {
    if (!segment) return;
    try {
      const reader = await SegmentReader.open(segment);
      await this.close();
      this.#reader = reader;
    } catch (error) {
      /* Dropped between the look and the opening: the caller looks again. */
      if (!isMissing(error)) throw error;
    }
  }
}

function gap(seq: number, time: number, droppedBytes: number): LogChunk {
  const text = `${droppedBytes} bytes of older output were dropped: the log is limited\n`;
  return { seq, time, stream: 'arc', data: Buffer.from(text), droppedBytes };
}
