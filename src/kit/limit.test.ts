import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ManualClock } from '../testing/fakes/manual-clock.ts';
import { backoff } from './backoff.ts';
import { eachLimited, giveUp, OutOfTime } from './limit.ts';

it('gives what came in time, and leaves no timer behind', async () => {
  const clock = new ManualClock();
  assert.equal(await giveUp(clock, Promise.resolve(1), { ms: 10 }), 1);
  await assert.rejects(giveUp(clock, Promise.reject(new Error('own')), { ms: 10 }), /own/);
  assert.equal(clock.pending, 0);
});

it('gives up on what hangs, and tells of what comes late', async () => {
  const clock = new ManualClock();
  const { promise, resolve } = Promise.withResolvers<string>();
  const late: unknown[] = [];
  const work = giveUp(clock, promise, { ms: 100 }, (result) => late.push(result));
  const refused = assert.rejects(work, OutOfTime);
  await clock.advance(100);
  await refused;
  resolve('late');
  await clock.advance(0);
  assert.deepEqual(late, [{ status: 'fulfilled', value: 'late' }]);
});

it('gives what was cancelled a moment to end in good order', async () => {
  const clock = new ManualClock();
  const cancel = new AbortController();
  const { promise, resolve } = Promise.withResolvers<string>();
  const inTime = giveUp(clock, promise, { ms: 1_000, signal: cancel.signal, graceMs: 50 });
  const hangs = giveUp(clock, new Promise(() => {}), { ms: 1_000, signal: cancel.signal, graceMs: 50 });
  const refused = assert.rejects(hangs, /cancelled/);
  cancel.abort(new Error('cancelled'));
  await clock.advance(20);
  resolve('ended');
  await clock.advance(30);
  assert.equal(await inTime, 'ended');
  await refused;
  assert.equal(clock.pending, 0);
});

it('works through all items, a bounded number at once', async () => {
  let now = 0;
  let most = 0;
  const seen: number[] = [];
  await eachLimited([1, 2, 3, 4, 5], 2, async (item) => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(item);
    now -= 1;
  });
  assert.deepEqual([seen.length, most], [5, 2]);
  await eachLimited([], 2, async () => assert.fail());
});

it('waiting times grow to their limit', () => {
  const times = backoff({ firstMs: 2, factor: 2, maxMs: 10 });
  assert.deepEqual(
    Array.from({ length: 5 }, () => times.next().value),
    [2, 4, 8, 10, 10],
  );
});
