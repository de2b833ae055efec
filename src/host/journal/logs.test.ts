import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { LogChunk } from '../../engines/engine.ts';
import { realClock } from '../../kit/real.ts';
import { JournalLogs } from './logs.ts';
import { RECORD_BYTES } from './record.ts';

const ID = 'sb-test';
let dir = '';
let log = '';
let logs = new JournalLogs(dir, realClock);

beforeEach(() => {
  dir = mkdtempSync('/tmp/arc-journal-');
  log = join(dir, ID, 'log');
  mkdirSync(log, { recursive: true });
  logs = new JournalLogs(dir, realClock);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const segment = (first: number) => join(log, `${String(first).padStart(20, '0')}.seg`);

function record(seq: number, offset: number, text: string, { stream = 1, dropped = 0 } = {}): Buffer {
  const bytes = Buffer.alloc(RECORD_BYTES + text.length);
  bytes.writeUInt32LE(0x4a435241, 0);
  bytes.writeUInt32LE(text.length, 4);
  bytes.writeBigUInt64LE(BigInt(seq), 8);
  bytes.writeBigUInt64LE(1_700_000_000_000_000_000n + BigInt(seq), 16);
  bytes.writeBigUInt64LE(BigInt(offset), 24);
  bytes.writeBigUInt64LE(BigInt(dropped), 32);
  bytes.writeUInt32LE(stream, 40);
  let hash = 2_166_136_261;
  for (const byte of bytes.subarray(0, 44)) hash = Math.imul(hash ^ byte, 16_777_619);
  bytes.writeUInt32LE(hash >>> 0, 44);
  bytes.write(text, RECORD_BYTES);
  return bytes;
}

async function all(since = 0, tail?: number): Promise<LogChunk[]> {
  const options = { since, follow: false, ...(tail === undefined ? {} : { tail }) };
  return Array.fromAsync(logs.read(ID, options, new AbortController().signal));
}

const shown = (chunks: readonly LogChunk[]) =>
  chunks.map(({ seq, stream, data }) => `${seq} ${stream} ${Buffer.from(data)}`);

test('gives records over segments in order, with what came after a sequence number only', async () => {
  writeFileSync(segment(1), Buffer.concat([record(1, 0, 'a'), record(2, 1, 'b', { stream: 2 })]));
  writeFileSync(segment(3), record(3, 2, 'c'));
  assert.deepEqual(shown(await all()), ['1 stdout a', '2 stderr b', '3 stdout c']);
  assert.deepEqual(shown(await all(2)), ['3 stdout c']);
  assert.deepEqual(shown(await all(3)), []);
  assert.deepEqual(shown(await all(0, 2)), ['2 stderr b', '3 stdout c']);
});

test('a torn record at the end is not given until it is whole', async () => {
  const whole = record(2, 1, 'second');
  writeFileSync(segment(1), Buffer.concat([record(1, 0, 'a'), whole.subarray(0, whole.length - 2)]));
  assert.deepEqual(shown(await all()), ['1 stdout a']);
  truncateSync(segment(1), RECORD_BYTES + 1);
  appendFileSync(segment(1), record(2, 1, 'other'));
  assert.deepEqual(shown(await all()), ['1 stdout a', '2 stdout other']);
});

test('says how much was dropped where older segments are gone, and resumes behind that', async () => {
  writeFileSync(segment(8), record(8, 1_000, 'late'));
  const [gap, late] = await all();
  assert.equal(gap?.droppedBytes, 1_000);
  assert.equal(gap?.stream, 'arc');
  assert.equal(gap?.seq, 7);
  assert.equal(late?.seq, 8);
  assert.deepEqual(shown(await all(7)), ['8 stdout late']);
  assert.deepEqual(await logs.totals(ID), { bytes: RECORD_BYTES + 4, dropped: 1_000 });
});

test('a reader that comes back into what was dropped hears of the rest of it', async () => {
  const dropped = Buffer.alloc(32);
  dropped.writeBigUInt64LE(1n, 0);
  dropped.writeBigUInt64LE(4n, 16);
  dropped.writeBigUInt64LE(600n, 24);
  writeFileSync(join(log, 'dropped'), dropped);
  writeFileSync(segment(8), record(8, 1_000, 'late'));
  assert.equal((await all(5))[0]?.droppedBytes, 400);
});

test('what a full disk cost is told with its record', async () => {
  writeFileSync(
    segment(1),
    Buffer.concat([record(1, 0, 'a'), record(2, 1, 'note', { stream: 3, dropped: 50 }), record(3, 55, 'b')]),
  );
  const chunks = await all();
  assert.deepEqual(shown(chunks), ['1 stdout a', '2 arc note', '3 stdout b']);
  assert.equal(chunks[1]?.droppedBytes, 50);
});

test('follows over rotation, hears when it was overtaken, and ends when the sandbox is gone', {
  timeout: 10_000,
}, async () => {
  writeFileSync(segment(1), record(1, 0, 'a'));
  const seen: string[] = [];
  for await (const chunk of logs.read(ID, { since: 0, follow: true }, new AbortController().signal)) {
    seen.push(...shown([chunk]));
    if (chunk.seq === 1) {
      appendFileSync(segment(1), record(2, 1, 'b'));
      writeFileSync(segment(3), record(3, 2, 'c'));
    }
    if (chunk.seq === 3) {
      writeFileSync(segment(4), record(4, 3, 'never seen'));
      writeFileSync(segment(5), record(5, 13, 'e'));
      for (const first of [1, 3, 4]) unlinkSync(segment(first));
    }
    if (chunk.seq === 5) rmSync(join(dir, ID), { recursive: true });
  }
  assert.deepEqual(
    seen.map((line) => line.replace('older output', 'output')),
    [
      '1 stdout a',
      '2 stdout b',
      '3 stdout c',
      '4 arc 10 bytes of output were dropped: the log is limited\n',
      '5 stdout e',
    ],
  );
});

test('a follower that is there before the journal sees its first line, and leaves with its signal', {
  timeout: 10_000,
}, async () => {
  rmSync(log, { recursive: true });
  const stop = new AbortController();
  const reading = (async () => {
    for await (const chunk of logs.read(ID, { since: 0, follow: true }, stop.signal)) {
      stop.abort();
      return shown([chunk]);
    }
    return [];
  })();
  mkdirSync(log);
  writeFileSync(segment(1), record(1, 0, 'a'));
  assert.deepEqual(await reading, ['1 stdout a']);
});

test('a sandbox without a journal has an empty log', async () => {
  rmSync(join(dir, ID), { recursive: true });
  assert.deepEqual(await all(), []);
  assert.deepEqual(await logs.totals(ID), { bytes: 0, dropped: 0 });
});
