import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ada, bob, builtin, failsWith, Plane } from './plane.ts';

const slow = { create: () => ({ delayMs: 1_000, outcome: 'ok' }) as const };
const idle = { waitMs: 0 };

async function crowded(): Promise<{ plane: Plane; mine: string[]; theirs: string }> {
  const plane = await Plane.started({ startsMax: 1 });
  plane.plan(slow);
  const mine: string[] = [];
  for (let i = 0; i < 10; i++) mine.push((await plane.create({ template: 'job' }, idle)).id);
  const theirs = (await plane.create({ template: 'job' }, idle, bob)).id;
  return { plane, mine, theirs };
}

it('who asks for one is next but one behind somebody who asks for ten, and is told so', async () => {
  const { plane, mine, theirs } = await crowded();
  assert.equal((await plane.now.sandboxes.get(bob, theirs)).queuePosition, 2);
  assert.equal((await plane.now.sandboxes.get(ada, mine[9] ?? '')).queuePosition, 10);
  await plane.clock.advance(3_000);
  assert.equal((await plane.row(theirs))?.state, 'running');
});

it('the order of turns is the same after Arc was started again', async () => {
  const { plane, mine, theirs } = await crowded();
  await plane.clock.advance(1_500);
  await plane.restart();
  await plane.clock.advance(30_000);
  const began = async (id: string) => (await plane.row(id))?.startedAt ?? Number.POSITIVE_INFINITY;
  const times = await Promise.all(mine.map(began));
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
  assert.ok((await began(theirs)) <= (times[3] ?? 0), 'nobody waits for all of another');
});

it('a thousand at once all run in the end, none lost and none twice; beyond the queue they are refused at once', async () => {
  const plane = await Plane.started({ startsMax: 8, queueMax: 1_200 });
  plane.plan({ create: () => ({ delayMs: 5, outcome: 'ok' }) });
  const callers = ['a', 'b', 'c', 'd'].map((owner) => ({ ...ada, owner }));
  const works = Array.from({ length: 900 }, (_, i) =>
    plane.create({ template: 'job' }, { idempotencyKey: `k${i}` }, callers[i % 4]),
  );
  const records = await plane.drive(Promise.all(works));
  assert.equal(new Set(records.map(({ id }) => id)).size, 900);
  assert.equal(plane.engine.truth().filter((held) => held.phase === 'running').length, 900);
  plane.plan({ create: () => ({ delayMs: 0, outcome: 'hang' }) });
  for (let i = 0; i < 608; i++) await plane.create({ template: 'job' }, idle);
  await assert.rejects(plane.create({ template: 'job' }, idle), failsWith('at_capacity'));
  assert.equal((await plane.create({ template: 'job' }, idle, bob)).queuePosition, 2);
});

it('beyond the most that may be there at once a create is refused, and pools give up their places before', async () => {
  const site = builtin('site', { pool: { min: 2 } });
  const plane = await Plane.started({ sandboxesMax: 3 }, [site]);
  await plane.clock.advance(100);
  assert.equal(plane.engine.truth().length, 2);
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) ids.push(await plane.made('job'));
  await assert.rejects(plane.create({ template: 'job' }), failsWith('at_capacity'));
  await assert.rejects(plane.create({ template: 'site' }), failsWith('at_capacity'));
  await plane.clock.advance(1_000);
  assert.equal(plane.engine.truth().length, 3);
  await plane.drive(plane.now.sandboxes.remove(ada, ids[0] ?? ''));
  await plane.restart();
  assert.equal((await plane.drive(plane.create({ template: 'job' }))).state, 'running');
  await assert.rejects(plane.create({ template: 'job' }), failsWith('at_capacity'));
});
