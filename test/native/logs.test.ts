import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { LogChunk } from '../../src/engines/engine.ts';
import { JournalLogs } from '../../src/host/journal/logs.ts';
import { realClock } from '../../src/kit/real.ts';
import { TestNode, until } from './box.ts';

let node: TestNode;
let logs: JournalLogs;
before(async () => {
  node = await TestNode.start();
  logs = new JournalLogs(join(node.dir, 'sandboxes'), realClock);
});
after(() => node[Symbol.asyncDispose]());

const sh = (script: string) => ['/bin/sh', '-c', script];
const ended = (id: string) =>
  until(
    async () => (await node.helper.list()).find((entry) => entry.id === id)?.phase === 'exited',
    `the end of ${id}`,
  );
const read = (id: string, since = 0) =>
  Array.fromAsync(logs.read(id, { since, follow: false }, new AbortController().signal));
const bytes = (chunks: readonly LogChunk[]) =>
  Buffer.concat(chunks.filter(({ stream }) => stream === 'stdout').map(({ data }) => data));

test('a line of ten megabytes, without its end, is whole, and every part of it can be resumed from', {
  timeout: 60_000,
}, async () => {
  const order = node.order({ command: sh('dd if=/dev/zero bs=1M count=10 2>/dev/null | tr "\\0" x; printf end') });
  await node.helper.start(order);
  await ended(order.id);
  const chunks = await read(order.id);
  const all = bytes(chunks);
  assert.equal(all.length, (10 << 20) + 3);
  assert.ok(all.subarray(0, 10 << 20).every((byte) => byte === 0x78));
  const middle = chunks[Math.floor(chunks.length / 2)];
  assert.ok(middle);
  const rest = await read(order.id, middle.seq);
  assert.equal(bytes(rest).length + bytes(chunks.filter(({ seq }) => seq <= middle.seq)).length, all.length);
  assert.deepEqual(
    chunks.map(({ seq }) => seq),
    chunks.map((_, index) => index + 1),
  );
});

test('binary output is kept as it is', async () => {
  const order = node.order({ command: sh('for i in 0 1 2 3; do printf "\\0\\377\\001\\n"; done') });
  await node.helper.start(order);
  await ended(order.id);
  assert.ok(bytes(await read(order.id)).equals(Buffer.from('\0\xff\x01\n'.repeat(4), 'latin1')));
});

test('a program that has other ids than root may open its output anew', async () => {
  const order = node.order({ command: sh('echo one > /dev/stdout; echo two > /proc/self/fd/2'), user: 1000 });
  await node.helper.start(order);
  await ended(order.id);
  const text = (await read(order.id)).map(({ stream, data }) => `${stream} ${Buffer.from(data)}`);
  assert.deepEqual(text.sort(), ['stderr two\n', 'stdout one\n']);
});

test('the volume is bounded, and what was dropped is counted to the byte', { timeout: 60_000 }, async () => {
  const order = node.order({
    command: sh('dd if=/dev/zero bs=64k count=160 2>/dev/null; printf last'),
    logBytes: 1 << 20,
  });
  await node.helper.start(order);
  await ended(order.id);
  const folder = join(order.dir, 'log');
  const kept = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  assert.ok(kept <= (1 << 20) + 65_536, `${kept} bytes are kept`);
  const chunks = await read(order.id);
  const [gap] = chunks;
  assert.equal(gap?.stream, 'arc');
  assert.equal((gap?.droppedBytes ?? 0) + bytes(chunks).length, 160 * 65_536 + 4);
  assert.match(bytes(chunks).toString('latin1'), /last$/);
  assert.equal((await logs.totals(order.id)).dropped, gap?.droppedBytes);
});

test('a program that floods takes nothing from the output of another', { timeout: 60_000 }, async () => {
  const flood = node.order({ command: ['/bin/yes', 'y'.repeat(1000)], logBytes: 1 << 20 });
  await node.helper.start(flood);
  const quiet = node.order({ command: sh('i=0; while [ $i -lt 50 ]; do echo $i; i=$((i+1)); done') });
  await node.helper.start(quiet);
  await ended(quiet.id);
  assert.equal(
    bytes(await read(quiet.id))
      .toString()
      .trim()
      .split('\n').length,
    50,
  );
  await node.helper.destroy(flood);
});

test('what comes faster than its rate is dropped, counted to the byte, and said in the stream', {
  timeout: 60_000,
}, async () => {
  const most = 256 * 1024;
  const order = node.order({
    command: sh('dd if=/dev/zero bs=64k count=160 2>/dev/null; printf last'),
    logRate: most / 8,
  });
  await node.helper.start(order);
  await ended(order.id);
  const chunks = await read(order.id);
  const notes = chunks.filter(({ stream }) => stream === 'arc');
  const dropped = notes.reduce((sum, { droppedBytes = 0 }) => sum + droppedBytes, 0);
  assert.equal(dropped + bytes(chunks).length, 160 * 65_536 + 4);
  assert.ok(bytes(chunks).length >= most, `${bytes(chunks).length} bytes came through`);
  assert.ok(dropped > 8 << 20, `${dropped} bytes were dropped`);
  assert.match(Buffer.from(notes.at(-1)?.data ?? []).toString(), /bytes of output were dropped: they came faster/);
  assert.equal((await logs.totals(order.id)).dropped, dropped);
});

test('a follower sees output as it comes, and ends with the sandbox', { timeout: 20_000 }, async () => {
  const order = node.order({ command: sh('while :; do echo tick; sleep 0.05; done') });
  await node.helper.start(order);
  let ticks = 0;
  for await (const { data } of logs.read(order.id, { since: 0, follow: true }, new AbortController().signal)) {
    ticks += Buffer.from(data).toString().split('tick').length - 1;
    if (ticks === 5) await node.helper.destroy(order);
  }
  assert.ok(ticks >= 5);
});
