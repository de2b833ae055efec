import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from '../../src/domain/hooks/retry.ts';
import type { Message } from '../../src/server/core/hooks/send.ts';
import { ada, admin, failsWith, Plane } from './plane.ts';

const HOUR_MS = 3_600_000;
const order = {
  url: 'http://receiver.test/',
  format: 'standard',
  filter: { events: ['sandbox'], labels: [] },
} as const;

interface Told {
  readonly id: number;
  readonly subject: string;
  readonly state: string;
}

/** A receiver that answers as it is told to, and keeps what it took. */
class Receiver {
  readonly taken: Told[] = [];
  tries = 0;
  answer: (event: Told) => Answer = () => ({ kind: 'taken' });

  readonly send = async ({ body }: Message): Promise<Answer> => {
    const event = (JSON.parse(body) as { data: Told }).data;
    this.tries += 1;
    const answer = this.answer(event);
    if (answer.kind === 'taken') this.taken.push(event);
    return answer;
  };

  states(id: string): readonly string[] {
    return this.taken.filter(({ subject }) => subject === id).map(({ state }) => state);
  }
}

const down: Answer = { kind: 'down', detail: 'nobody is there' };

async function begun(options = {}) {
  const plane = await Plane.started({ sweepMs: 600_000, ...options });
  const receiver = new Receiver();
  plane.send = receiver.send;
  const { hook } = await plane.now.hooks.create(admin, order);
  return { plane, receiver, hook };
}

test('only who operates Arc may say where something is sent to', async () => {
  const { plane } = await begun();
  const { hooks } = plane.now;
  await assert.rejects(hooks.create(ada, order), failsWith('forbidden'));
  await assert.rejects(hooks.list(ada), failsWith('forbidden'));
  await assert.rejects(hooks.create(admin, { ...order, url: 'http://user:word@x/' }), failsWith('invalid_request'));
  await assert.rejects(hooks.create(admin, { ...order, url: 'ftp://x/' }), failsWith('invalid_request'));
  await assert.rejects(hooks.remove(admin, 'hk-none'), failsWith('hook_not_found'));
  await plane.now.close();
});

test('each change of a sandbox arrives once and in order', async () => {
  const { plane, receiver } = await begun();
  const id = await plane.made('web');
  await plane.drive(plane.now.sandboxes.remove(ada, id));
  await plane.clock.advance(100);
  assert.deepEqual(receiver.states(id), ['queued', 'starting', 'running', 'removed']);
  await plane.drive(plane.now.close());
});

test('a receiver that is down for hours gets everything in order when it is back', async () => {
  const { plane, receiver } = await begun();
  receiver.answer = () => down;
  const ids = [await plane.made('web'), await plane.made('web')];
  for (const id of ids) await plane.drive(plane.now.sandboxes.remove(ada, id));
  await plane.clock.advance(20 * HOUR_MS);
  const [seen] = await plane.now.hooks.list(admin);
  assert.equal(seen?.status.state, 'failing');
  assert.equal(seen?.status.problem, 'nobody is there');
  assert.ok(receiver.tries < 200, `${receiver.tries} tries within twenty hours`);
  receiver.answer = () => ({ kind: 'taken' });
  await plane.clock.advance(HOUR_MS);
  for (const id of ids) assert.deepEqual(receiver.states(id), ['queued', 'starting', 'running', 'removed']);
  assert.equal((await plane.now.hooks.list(admin))[0]?.status.state, 'ok');
  await plane.drive(plane.now.close());
});

test('a restart goes on where the deliveries stood, also with what happened meanwhile', async () => {
  const { plane, receiver } = await begun();
  const first = await plane.made('web');
  await plane.clock.advance(5_000);
  receiver.answer = () => down;
  const second = await plane.made('web');
  await plane.restart();
  receiver.answer = () => ({ kind: 'taken' });
  await plane.clock.advance(60_000);
  assert.deepEqual(receiver.states(first), ['queued', 'starting', 'running'], 'what was taken does not come again');
  assert.deepEqual(receiver.states(second).slice(0, 3), ['queued', 'starting', 'running']);
  await plane.drive(plane.now.close());
});

test('a message that is always refused holds up its own sandbox for a day, and no other', async () => {
  const { plane, receiver } = await begun();
  const bad = await plane.made('web');
  receiver.answer = ({ subject, state }) =>
    subject === bad && state === 'removed' ? { kind: 'refused', detail: 'it answered 400' } : { kind: 'taken' };
  await plane.drive(plane.now.sandboxes.remove(ada, bad));
  const good = await plane.made('web');
  await plane.clock.advance(1_000);
  assert.deepEqual(receiver.states(good), ['queued', 'starting', 'running']);
  await plane.clock.advance(25 * HOUR_MS);
  assert.equal((await plane.now.hooks.list(admin))[0]?.status.givenUp, 1);
  await plane.drive(plane.now.close());
});

test('a receiver that says it is gone for good is not asked again, also after a restart', async () => {
  const { plane, receiver } = await begun();
  receiver.answer = () => ({ kind: 'ended', detail: 'it answered 410' });
  await plane.made('web');
  await plane.clock.advance(HOUR_MS);
  const { tries } = receiver;
  await plane.restart();
  await plane.made('web');
  await plane.clock.advance(HOUR_MS);
  assert.equal(receiver.tries, tries);
  assert.equal((await plane.now.hooks.list(admin))[0]?.status.state, 'ended');
  await plane.drive(plane.now.close());
});

test('events that a hook has still to send are kept for longer, and not without end', async () => {
  const { plane, receiver, hook } = await begun({ keepEventsMax: 5, sweepMs: 15_000 });
  receiver.answer = () => down;
  await plane.clock.advance(60_000);
  const id = await plane.made('web');
  for (let count = 0; count < 2; count++) await plane.made('web');
  await plane.clock.advance(60_000);
  receiver.answer = () => ({ kind: 'taken' });
  await plane.clock.advance(HOUR_MS);
  assert.deepEqual(receiver.states(id), ['queued', 'starting', 'running']);
  receiver.answer = () => down;
  await plane.drive(plane.now.close());
  await plane.store.commit([{ op: 'put', kind: 'hook-cursor', id: hook.id, value: { seq: 1 } }]);
  await plane.restart();
  await plane.clock.advance(1_000);
  const [seen] = await plane.now.hooks.list(admin);
  assert.ok((seen?.status.missed ?? 0) > 0, 'what was forgotten is counted');
  await plane.drive(plane.now.close());
});

test('no write to the store is made for an event on its way', async () => {
  const { plane, receiver } = await begun();
  const id = await plane.made('course');
  await plane.clock.advance(5_000);
  const commits: string[] = [];
  const { store } = plane;
  const real = store.commit.bind(store);
  store.commit = async (writes) => {
    commits.push(...writes.flatMap((write) => ('kind' in write ? [write.kind] : [])));
    return await real(writes);
  };
  for (let count = 0; count < 20; count++) await plane.now.sandboxes.extend(ada, id, HOUR_MS + (count + 1) * 60_000);
  await plane.clock.advance(5_000);
  assert.equal(receiver.taken.length, 3 + 20);
  const cursors = commits.filter((kind) => kind === 'hook-cursor');
  assert.ok(cursors.length <= 2, `${cursors.length} writes of how far it has come`);
  await plane.drive(plane.now.close());
});

test('what came of the last tries is kept, the newest first, and successes push out no failure', async () => {
  const { plane, receiver, hook } = await begun();
  receiver.answer = () => down;
  const id = await plane.made('course');
  await plane.clock.advance(60_000);
  receiver.answer = () => ({ kind: 'taken' });
  await plane.clock.advance(HOUR_MS / 2);
  for (let count = 0; count < 60; count++) await plane.now.sandboxes.extend(ada, id, HOUR_MS + (count + 1) * 1_000);
  await plane.clock.advance(5_000);
  const tries = plane.now.hooks.deliveries(admin, hook.id);
  const failed = tries.filter(({ outcome }) => outcome === 'down');
  assert.ok(failed.length > 0 && tries.length - failed.length === 50, `${failed.length} of ${tries.length} failed`);
  assert.deepEqual(
    [failed.at(-1)?.what, failed.at(-1)?.subject, failed.at(-1)?.detail],
    ['sandbox.queued', id, down.detail],
  );
  assert.deepEqual(
    tries.map(({ at }) => at),
    tries.map(({ at }) => at).toSorted((a, b) => b - a),
  );
  assert.throws(() => plane.now.hooks.deliveries(ada, hook.id), failsWith('forbidden'));
  assert.throws(() => plane.now.hooks.deliveries(admin, 'hk-none'), failsWith('hook_not_found'));
  await plane.drive(plane.now.close());
});
