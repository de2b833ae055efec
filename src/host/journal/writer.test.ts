import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { realClock } from '../../kit/real.ts';
import { ManualClock } from '../../testing/fakes/manual-clock.ts';
import { JournalLogs } from './logs.ts';
import { JournalWriter } from './writer.ts';

test('what is written is read by the readers of the journal, over two openings and within its limit', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'arc-journal-'));
  try {
    const limit = 64 * 1024;
    const log = join(dir, 'sb-a', 'log');
    const first = await JournalWriter.open(log, { bytes: limit, rate: 1024 ** 3 }, realClock);
    await first.write('stdout', Buffer.from('one\n'));
    await first.write('stderr', Buffer.from('two\n'));
    const second = await JournalWriter.open(log, { bytes: limit, rate: 1024 ** 3 }, realClock);
    await second.write('stdout', Buffer.from('three\n'));
    const logs = new JournalLogs(dir, realClock);
    assert.deepEqual(await all(logs), ['1 stdout one\n', '2 stderr two\n', '3 stdout three\n']);
    for (let at = 0; at < 100; at += 1) await second.write('stdout', Buffer.alloc(4_000, 120));
    const { bytes, dropped } = await logs.totals('sb-a');
    assert.ok(bytes <= limit, String(bytes));
    assert.ok(dropped > 300_000, String(dropped));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('what comes faster than its rate is dropped, counted and said, and slower output goes on after it', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'arc-journal-'));
  try {
    const clock = new ManualClock();
    const log = await JournalWriter.open(join(dir, 'sb-a', 'log'), { bytes: 1024 ** 2, rate: 1000 }, clock);
    for (let at = 0; at < 20; at += 1) await log.write('stdout', Buffer.alloc(1_000, 120));
    await clock.advance(2_000);
    await log.write('stdout', Buffer.from('later\n'));
    for (let at = 0; at < 20; at += 1) await log.write('stdout', Buffer.alloc(1_000, 120));
    await log.close();
    const logs = new JournalLogs(dir, clock);
    const lines = (await all(logs)).map((line) => line.replace(/^\d+ (\w+) x+$/, '$1'));
    const notes = lines.filter((line) => line.includes('arc'));
    assert.match(notes[0] ?? '', /^10 arc 11000 bytes of output were dropped: they came faster/);
    assert.match(lines[10] ?? '', /later/);
    assert.equal(notes.length, 2);
    const { dropped } = await logs.totals('sb-a');
    const kept = lines.filter((line) => line === 'stdout').length;
    assert.equal(dropped, 40_000 - kept * 1_000);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

async function all(logs: JournalLogs): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { seq, stream, data } of logs.read(
    'sb-a',
    { since: 0, follow: false },
    new AbortController().signal,
  )) {
    found.push(`${seq} ${stream} ${Buffer.from(data)}`);
  }
  return found;
}
