import assert from 'node:assert/strict';
import { statfs } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import type { Sandbox, Stats } from '../../../src/sdk/index.ts';
import { type LaunchedArc, launchArc } from '../lib/launch.ts';
import { until } from '../lib/until.ts';

/** A program that takes all it can: it is stopped at its limits, its neighbours answer, and it can be removed. */
let arc: LaunchedArc;
let neighbour: Sandbox;
const MIB = 1024 * 1024;
/** Of a removal: generous, since the machine is busy with the attack. */
const REMOVED_MS = 60_000;
const UNDER_WAY_MS = 60_000;

before(async () => {
  arc = await launchArc({ octet: 113 });
  neighbour = await arc.client.sandboxes.create({ template: 'shell' });
});
after(async () => {
  await arc[Symbol.asyncDispose]();
});

/** What shows that an attack is under way; neighbours that answer before it is prove nothing. */
const UNDER_WAY: Readonly<Record<string, (stats: Stats) => boolean>> = {
  'a fork bomb': ({ pids }) => pids > 40,
  'a filler of its disk': ({ diskBytes = 0 }) => diskBytes > 16 * MIB,
  'a herd of zombies': ({ pids }) => pids > 40,
  'a memory hog': ({ memoryBytes }) => memoryBytes > 32 * MIB,
};

/** Each runs until it is removed. */
const ATTACKS: Readonly<Record<string, string>> = {
  'a fork bomb': 'bomb() { bomb | bomb & }; while :; do bomb; done',
  'a memory hog': 'while :; do tail /dev/zero; done',
  'a filler of its disk': 'while :; do cat /dev/zero > /root/full-$$ ; done 2>/dev/null',
  'an eater of inodes': 'i=0; mkdir /root/i; while :; do : > /root/i/$i; i=$((i+1)); done 2>/dev/null',
  'a flood of its log': 'exec yes "$(head -c 4000 /dev/zero | tr "\\0" x)"',
  'one line without an end': 'exec cat /dev/zero',
  'a herd of zombies': 'while :; do sh -c "sleep 0 & exec sleep 3600" & done 2>/dev/null',
  'what stops everything of its own': 'sleep 3600 & while :; do kill -STOP -1; done',
  'what ignores every signal': 'trap "" TERM INT HUP QUIT USR1 USR2 PIPE; while :; do :; done',
};

async function answers(): Promise<void> {
  const { stdout } = await neighbour.exec(['echo', 'on']);
  assert.equal(stdout, 'on\n');
  assert.equal((await fetch(`${arc.api}/healthz`)).status, 200);
}

for (const [what, script] of Object.entries(ATTACKS)) {
  test(`${what} leaves its neighbour and the API answering, and is gone when it is removed`, async () => {
    const free = (await statfs(arc.dataDir)).bavail;
    const one = await arc.client.sandboxes.create({ template: 'shell', ttl: '10m' });
    const attack = await one.spawn(['bash', '-c', script]);
    attack.exit.catch(() => {}); // it ends with its sandbox
    await drained(attack.output);
    const begun = UNDER_WAY[what] ?? (() => true);
    await until(`${what} is under way`, async () => begun(await one.stats()), UNDER_WAY_MS);
    for (let look = 0; look < 5; look += 1) await answers();
    const { bsize, bavail } = await statfs(arc.dataDir);
    assert.ok((free - bavail) * bsize < 2048 * MIB, `${what} took ${((free - bavail) * bsize) / MIB} MiB of the host`);
    const signal = AbortSignal.timeout(REMOVED_MS);
    await Promise.race([
      one.remove(),
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('it was not removed')))),
    ]);
    await answers();
  });
}

test('as the program of a sandbox, too: a log that is flooded stays within its bound', async () => {
  const { template } = await arc.client.templates.get('shell');
  await arc.client.templates.add({ ...template, name: 'flood', command: ['yes', 'x'.repeat(4000)], logs: '1MiB' });
  const one = await arc.client.sandboxes.create({ template: 'flood', ttl: '10m' });
  for (let look = 0; look < 5; look += 1) await answers();
  const stats = await one.stats();
  assert.ok(stats.logBytes <= 3 * MIB, `${stats.logBytes} bytes of log`);
  await one.remove();
});

test('a log that is flooded takes what its rate lets in, says what it dropped, and its neighbour’s log goes on', async () => {
  const { template } = await arc.client.templates.get('shell');
  await arc.client.templates.add({
    ...template,
    name: 'torrent',
    command: ['yes', 'x'.repeat(4000)],
    logRate: '64KiB',
  });
  const ticks = 'while :; do echo tick; sleep 0.1; done';
  await arc.client.templates.add({ ...template, name: 'ticker', command: ['bash', '-c', ticks] });
  const flood = await arc.client.sandboxes.create({ template: 'torrent', ttl: '10m' });
  await until('output is dropped', async () => (await flood.stats()).logDropped > 64 * MIB, UNDER_WAY_MS);
  const quiet = await arc.client.sandboxes.create({ template: 'ticker', ttl: '10m' });
  let seen = 0;
  for await (const { data } of quiet.logs({ follow: true })) {
    seen += data.split('tick').length - 1;
    if (seen >= 20) break;
  }
  let said = 0;
  for await (const { stream, data } of flood.logs()) {
    if (stream === 'arc' && /bytes of output were dropped: they came faster/.test(data)) said += 1;
  }
  assert.ok(said > 0);
  await Promise.all([flood.remove(), quiet.remove()]);
});

/** Its first output, or that there is none yet: what follows is nobody's business. */
async function drained(output: AsyncIterable<unknown>): Promise<void> {
  void (async () => {
    for await (const _ of output);
  })().catch(() => {}); // it is cut when its sandbox is removed
}
