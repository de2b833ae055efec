import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SeededRng } from '../../src/testing/fakes/seeded-rng.ts';
import { addOnDisk, createOnDisk, removeAll, settled } from './lib/agreement.ts';
import { viaEdge } from './lib/fetch.ts';
import { kernelTruth } from './lib/kernel-truth.ts';
import { type LaunchedArc, launchArc } from './lib/launch.ts';
import { until } from './lib/until.ts';

/**
 * The server and the helper are killed at named steps and at random moments of create and remove, the server at those of
 * freezing and thawing, stopping and starting again, too. After each, what the kernel holds is compared with what Arc says: nothing lost, nothing left.
 */
const RANDOM_KILLS = Number(process.env.ARC_TEST_KILLS ?? 40);
const SEED = Number(process.env.ARC_TEST_SEED ?? 20_261_124);
/** A kill falls somewhere in the course of a create and a remove. */
const KILL_WITHIN_MS = 160;

/** Whose call is meant: Arc tries its levels with sandboxes of its own, in memory, while the tests are at it. */
const ON_DISK = '~"kind":"image"';

const CREATE_STEPS = [
  'store.commit:before~"state":"starting"',
  'store.commit:after~"state":"starting"',
  'engine.create:before',
  `helper.start:before${ON_DISK}`,
  `helper.start:after${ON_DISK}`,
  'engine.create:after',
  'engine.probe:after',
  'router.set:before~"state":"running"',
  'router.set:after~"state":"running"',
  'store.commit:before~"state":"running"',
  'store.commit:after~"state":"running"',
];
const REMOVE_STEPS = [
  'store.commit:before~"state":"removed"',
  'store.commit:after~"state":"removed"',
  'router.set:after~VICTIM&"state":"removed"',
  'engine.destroy:before~VICTIM',
  'helper.destroy:before~VICTIM',
  'helper.destroy:after~VICTIM',
  'engine.destroy:after~VICTIM',
];

let arc: LaunchedArc;
before(async () => {
  arc = await launchArc({ octet: 204 });
  await addOnDisk(arc);
});
after(async () => {
  await arc[Symbol.asyncDispose]();
  const left = kernelTruth(arc.dataDir);
  assert.deepEqual([left.cgroups, left.interfaces, left.loops, left.mounts, left.helpers], [[], [], 0, 0, []]);
});

for (const step of CREATE_STEPS) {
  test(`killed at ${step} of a create, the server comes back with the bystander running and nothing half-made`, async () => {
    const bystander = await createOnDisk(arc);
    await restartWith({ ARC_TEST_CRASH_AT: step });
    await assert.rejects(createOnDisk(arc));
    await recovered();
    assert.equal((await settled(arc)).has(bystander), true);
    await arc.client.sandboxes.remove(bystander);
  });
}

for (const step of REMOVE_STEPS) {
  test(`killed at ${step} of a remove, the server comes back and the removal is finished or was never begun`, async () => {
    const bystander = await createOnDisk(arc);
    const victim = await createOnDisk(arc);
    await restartWith({ ARC_TEST_CRASH_AT: step.replace('VICTIM', victim) });
    await assert.rejects(arc.client.sandboxes.remove(victim));
    await recovered();
    const running = await settled(arc);
    assert.equal(running.has(bystander), true);
    assert.equal(running.has(victim), step.startsWith('store.commit:before'));
    await removeAll(arc);
  });
}

const PARK_STEPS = [
  'store.commit:before~"state":"frozen"',
  'store.commit:after~"state":"frozen"',
  'engine.freeze:before',
  'engine.freeze:after',
];
const WAKE_STEPS = [
  'engine.thaw:before',
  'engine.thaw:after',
  'store.commit:before~"reason":"wake"',
  'store.commit:after~"reason":"wake"',
];

for (const step of [...PARK_STEPS, ...WAKE_STEPS]) {
  const wakes = WAKE_STEPS.includes(step);
  test(`killed at ${step} of ${wakes ? 'waking' : 'parking'}, it is frozen or awake, and a request is answered`, async () => {
    const bystander = await createOnDisk(arc);
    await restartWith({ ARC_TEST_CRASH_AT: step });
    const idle = { hard: '2s', then: 'frozen' } as const;
    const victim = await createOnDisk(arc, { idle });
    if (wakes) {
      await until('it is frozen', async () => (await arc.client.sandboxes.get(victim)).info.state === 'frozen');
      await viaEdge(arc.edge, new URL(arc.edge).host, `/_sb/${victim}/`).catch(() => {});
    }
    await recovered();
    const answer = await viaEdge(arc.edge, new URL(arc.edge).host, `/_sb/${victim}/`);
    assert.equal(answer.status, 200, answer.body);
    // From here on it stays awake.
    const { incarnation } = await arc.client.sandboxes.extend(victim, '1h');
    assert.equal(incarnation, 1, 'it is the process that was frozen');
    const running = await settled(arc);
    assert.deepEqual([running.has(bystander), running.has(victim)], [true, true]);
    await removeAll(arc);
  });
}

const STOP_STEPS = [
  'store.commit:before~"state":"stopped"',
  'store.commit:after~"state":"stopped"',
  'router.set:after~"state":"stopped"',
  'engine.END:before',
  'engine.END:after',
];
const START_AGAIN_STEPS = [
  'store.commit:before~"state":"starting"',
  'store.commit:after~"state":"starting"',
  'engine.create:before',
  'engine.create:after',
  'store.commit:before~"state":"running"',
  'store.commit:after~"state":"running"',
];

for (const keep of [true, false]) {
  for (const step of [...STOP_STEPS, ...START_AGAIN_STEPS]) {
    const wakes = START_AGAIN_STEPS.includes(step);
    const kept = keep ? 'is kept' : 'goes';
    test(`killed at ${step} of ${wakes ? 'waking from' : 'parking to'} stopped where its layer ${kept}, a request is answered`, async () => {
      const bystander = await createOnDisk(arc);
      const crash = { ARC_TEST_CRASH_AT: step.replace('END', keep ? 'stop' : 'destroy') };
      if (!wakes) await restartWith(crash);
      const victim = await createOnDisk(arc, { idle: { hard: '2s', then: 'stopped', keep } });
      if (wakes) {
        await until('it is stopped', async () => (await arc.client.sandboxes.get(victim)).info.state === 'stopped');
        await restartWith(crash);
        await viaEdge(arc.edge, new URL(arc.edge).host, `/_sb/${victim}/`).catch(() => {});
      }
      await recovered();
      const answer = await viaEdge(arc.edge, new URL(arc.edge).host, `/_sb/${victim}/`);
      assert.equal(answer.status, 200, answer.body);
      // From here on it stays awake.
      await arc.client.sandboxes.extend(victim, '1h');
      const running = await settled(arc);
      assert.deepEqual([running.has(bystander), running.has(victim)], [true, true]);
      await removeAll(arc);
    });
  }
}

/** Moments in the helper's own work: its record, the namespaces, the mounts, the runtime; what ends, and in which order. */
const HELPER_STEPS = [
  ...['before', 'during1', 'during5', 'during10', 'during20', 'during40', 'after'].map(
    (when) => `helper.start:${when}${ON_DISK}`,
  ),
  ...['before', 'during1', 'during5', 'during10', 'during20', 'after'].map((when) => `helper.destroy:${when}~VICTIM`),
];

for (const victim of ['helper', 'both'] as const) {
  for (const step of HELPER_STEPS) {
    test(`${victim} killed at ${step}: the bystander runs on, and kernel and Arc agree`, async () => {
      const bystander = await createOnDisk(arc);
      const other = await createOnDisk(arc);
      await restartWith({ ARC_TEST_CRASH_AT: `${victim}!${step.replace('VICTIM', other)}` });
      const work = step.startsWith('helper.start') ? createOnDisk(arc) : arc.client.sandboxes.remove(other);
      await work.catch(() => {});
      if (victim === 'both') await recovered();
      assert.equal((await settled(arc)).has(bystander), true);
      await removeAll(arc);
    });
  }
}

test(`killed ${RANDOM_KILLS} times at random, server, helper or both: none lost, none left (seed ${SEED})`, async () => {
  const rng = new SeededRng(SEED);
  const random = () => rng.float();
  const kept = new Set<string>();
  for (let round = 0; round < RANDOM_KILLS; round++) {
    const what = (['server', 'helper', 'both'] as const)[Math.floor(random() * 3)] ?? 'both';
    const delay = random() * KILL_WITHIN_MS;
    const victim = kept.size > 3 ? [...kept][Math.floor(random() * kept.size)] : undefined;
    const creating = createOnDisk(arc).then(
      (id) => kept.add(id),
      () => {},
    );
    const removing =
      victim === undefined
        ? Promise.resolve()
        : arc.client.sandboxes.remove(victim).then(
            () => {},
            () => {},
          );
    if (victim !== undefined) kept.delete(victim);
    await new Promise((resolve) => setTimeout(resolve, delay));
    if (what !== 'server') killHelpers();
    if (what !== 'helper') await arc.kill();
    await Promise.all([creating, removing]);
    if (what !== 'helper') arc = await arc.again();
    const running = await settled(arc);
    for (const id of kept) assert.ok(running.has(id), `round ${round}: ${id} was lost after a kill of ${what}`);
    // What was being created or removed at the kill counts as it turned out.
    for (const id of running) kept.add(id);
  }
  await removeAll(arc);
});

function killHelpers(): void {
  for (const pid of kernelTruth(arc.dataDir).helpers) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      // One that had just ended by itself is as dead as one that was killed.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}

async function restartWith(env: Record<string, string>): Promise<void> {
  await arc.kill();
  arc = await arc.again({ env });
}

async function recovered(): Promise<void> {
  await arc.ended();
  arc = await arc.again({ env: {} });
}
