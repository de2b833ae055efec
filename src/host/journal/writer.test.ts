import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { realClock } from '../../kit/real.ts';
import { JournalLogs } from './logs.ts';
import { JournalWriter } from './writer.ts';

test('what is written is read by the readers of the journal, over two openings and within its limit', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'arc-journal-'));
  try {
    const limit = 64 * 1024;
    const log = join(dir, 'sb-a', 'log');
    const first = await JournalWriter.open(log, limit, realClock);
    await first.write('stdout', Buffer.from('one\n'));
    await first.write('stderr', Buffer.from('two\n'));
    const second = await JournalWriter.open(log, limit, realClock);
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
