import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { viaEdge } from './lib/fetch.ts';
import { kernelTruth } from './lib/kernel-truth.ts';
import { type LaunchedArc, launchArc } from './lib/launch.ts';
import { until } from './lib/until.ts';

/** Pools on the real kernel: nothing of one sandbox in a later one, and the server killed while it fills and hands over. */
const CLAIMS = 500;
const CLIENTS = 8;
const WARM = 16;
const SETTLE_MS = 60_000;

/** Leaves something in every place that a program can write to. */
const MARK = `for place in / /tmp /run /dev/shm /dev/mqueue /srv; do echo mark > $place/marked 2>/dev/null; done
ipcmk -M 4096 -p 0666; ipcmk -Q -p 0666; ipcmk -S 1 -p 0666
python3 -c 'import ctypes; print(ctypes.CDLL(None).syscall(248, b"user", b"marked", b"mark", 4, -3))'; true`;
/** Says what is there of it. */
const LOOK = `ls -d /marked /tmp/marked /run/marked /dev/shm/marked /dev/mqueue/marked /srv/marked 2>/dev/null
grep -h marked /proc/keys 2>/dev/null; tail -qn +2 /proc/sysvipc/*; true`;

const REFILL_STEPS = [
  'store.commit:before~"phase":"starting"',
  'store.commit:after~"phase":"starting"',
  'helper.start:before~"kind":"image"',
  'helper.start:after~"kind":"image"',
  'store.commit:before~"phase":"ready"',
  'store.commit:after~"phase":"ready"',
];
const CLAIM_STEPS = [
  'store.commit:after~"phase":"claiming"',
  'store.commit:before~"reason":"claimed"',
  'store.commit:after~"reason":"claimed"',
  'router.set:before~"reason":"claimed"',
  'router.set:after~"reason":"claimed"',
];

let arc: LaunchedArc;
before(async () => {
  arc = await launchArc({ octet: 218 });
});
after(async () => {
  await arc[Symbol.asyncDispose]();
  const left = kernelTruth(arc.dataDir);
  assert.deepEqual([left.cgroups, left.interfaces, left.loops, left.mounts, left.helpers], [[], [], 0, 0, []]);
});

async function add(name: string, from: string, min: number, more: object = {}): Promise<void> {
  const { template } = await arc.client.templates.get(from);
  await arc.client.templates.add({ ...template, name, pool: { min }, ...more });
  await full(name, min);
}

async function full(name: string, min: number): Promise<void> {
  await until(
    `the pool of ${name} is full`,
    async () => ((await arc.client.templates.get(name)).pool?.ready ?? 0) >= min || undefined,
    SETTLE_MS,
  );
}

test('what one sandbox leaves in files, memory, keys and connections is in none of 500 later ones', async () => {
  await add('shell-warm', 'shell', WARM, { command: ['sleep', '1000000'], ready: 'none', disk: '8MiB' });
  const marked = await arc.client.sandboxes.create({ template: 'shell-warm' });
  assert.equal(marked.info.start, 'claimed');
  await marked.exec(['sh', '-c', MARK]);
  assert.match((await marked.exec(['sh', '-c', LOOK])).stdout, /shm\/marked/, 'the mark can be seen where it was made');
  const addresses = new Set<string>();
  await marked.remove();
  let left = CLAIMS;
  const client = async () => {
    while (left-- > 0) {
      const later = await arc.client.sandboxes.create({ template: 'shell-warm' });
      addresses.add((await later.exec(['sh', '-c', 'cat /etc/hosts'])).stdout);
      assert.deepEqual((await later.exec(['sh', '-c', LOOK])).stdout.trim(), '', later.id);
      await later.remove();
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  await arc.client.templates.remove('shell-warm');
});

test('labels, files, limits and late variables are the claimers own', async () => {
  const command = ['sleep', '1000000'];
  await add('shell-late', 'shell', 1, { command, ready: 'none', disk: '8MiB', pool: { min: 1, env: 'late' } });
  const request = {
    template: 'shell-late',
    env: { TEAM: "it's 7" },
    files: { '/srv/a/flag': 'F{1}' },
    memory: '48MiB',
  };
  const mine = await arc.client.sandboxes.create({ ...request, labels: { team: '7' } });
  assert.equal(mine.info.start, 'claimed');
  assert.deepEqual(mine.info.labels, { team: '7' });
  const script = 'echo "$TEAM"; . /run/arc/env; echo "$TEAM"; cat /srv/a/flag';
  assert.equal((await mine.exec(['sh', '-c', script])).stdout, "it's 7\nit's 7\nF{1}");
  assert.equal((await arc.client.sandboxes.handle(mine.id).stats()).memoryLimitBytes, 48 * 1024 ** 2);
  await mine.remove();
  await arc.client.templates.remove('shell-late');
});

test('a kill at each step of filling a pool and of a claim loses nothing and leaves nothing', async (t) => {
  await add('site', 'whoami', 2, { diskKind: 'image' });
  for (const step of [...REFILL_STEPS, ...CLAIM_STEPS]) {
    await t.test(`killed at ${step}`, async () => {
      const bystander = await arc.client.sandboxes.create({ template: 'site' });
      await full('site', 2);
      await arc.kill();
      arc = await arc.again({ env: { ARC_TEST_CRASH_AT: step } });
      const files = step.includes('claiming') ? { files: { '/tmp/flag': 'F{1}' } } : {};
      const create = arc.client.sandboxes.create({ template: 'site', ...files }).then(
        ({ id }) => id,
        () => undefined,
      );
      await arc.ended();
      const answered = await create;
      arc = await arc.again({ env: {} });
      await full('site', 2);
      const running = await agreed(2);
      assert.ok(running.includes(bystander.id), 'the bystander runs on');
      if (answered !== undefined) assert.ok(running.includes(answered), 'what was answered is there');
      for (const id of running) await arc.client.sandboxes.remove(id);
    });
  }
});

/** The ids that people have, once the kernel holds those and so many warm ones, and nothing else. */
async function agreed(warm: number): Promise<readonly string[]> {
  return await until(
    'the kernel and Arc agree',
    async () => {
      const running: string[] = [];
      for await (const { id } of arc.client.sandboxes.list({ state: 'running' })) running.push(id);
      const truth = kernelTruth(arc.dataDir);
      const count = running.length + warm;
      const counts = [truth.folders, truth.cgroups, truth.alive, truth.interfaces].map((all) => all.length);
      if (counts.some((one) => one !== count) || truth.namespaces !== count || truth.loops !== count) return undefined;
      for (const id of running) {
        if (!truth.alive.includes(id)) return undefined;
        const answer = await viaEdge(arc.edge, new URL(arc.edge).host, `/_sb/${id}/`);
        if (answer.status !== 200) return undefined;
      }
      return running;
    },
    SETTLE_MS,
  );
}
