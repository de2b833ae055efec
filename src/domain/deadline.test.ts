import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { beat, deadlineIn, expiryForPeople, extended, HEARTBEATS_MAX, timeLeft } from './deadline.ts';

const at = (boot: string, uptimeMs: number) => ({ boot, uptimeMs });

it('time is spent by the boot clock alone', () => {
  const deadline = deadlineIn(1_000, at('a', 500));
  assert.equal(timeLeft(deadline, at('a', 700), []), 800);
  assert.equal(timeLeft(deadline, at('a', 2_000), []), -500);
});

it('after a restart of the machine the last heartbeat says how much was spent, and time off is not counted', () => {
  const deadline = deadlineIn(1_000, at('a', 500));
  assert.equal(timeLeft(deadline, at('b', 99_999), [at('a', 800), at('b', 10)]), 700);
  assert.equal(timeLeft(deadline, at('b', 99_999), []), 1_000);
  assert.equal(timeLeft(deadline, at('b', 99_999), [at('a', 400)]), 1_000, 'a heartbeat older than the deadline');
});

it('there is never more time left than was given', () => {
  const moment = fc.record({ boot: fc.constantFrom('a', 'b', 'c'), uptimeMs: fc.nat(1e9) });
  fc.assert(
    fc.property(fc.nat(1e9), moment, moment, fc.array(moment), (ms, start, now, beats) => {
      const left = timeLeft(deadlineIn(ms, start), now, beats);
      assert.ok(left <= ms && Number.isFinite(left));
    }),
  );
});

it('heartbeats of the last boots are kept, the newest of each', () => {
  let beats = beat([], at('boot-0', 1));
  for (let boot = 0; boot < 20; boot++) beats = beat(beat(beats, at(`boot-${boot}`, 5)), at(`boot-${boot}`, 9));
  assert.equal(beats.length, HEARTBEATS_MAX);
  assert.deepEqual(beats.at(-1), at('boot-19', 9));
  assert.equal(new Set(beats.map((entry) => entry.boot)).size, HEARTBEATS_MAX);
});

it('people are told the same time until the clock is set', () => {
  assert.equal(expiryForPeople(10_500, 500.4, 10_000), 10_500);
  assert.equal(expiryForPeople(11_900, 500, 10_000), 11_900);
  assert.equal(expiryForPeople(10_500, 500, 90_000), 90_500);
  assert.equal(expiryForPeople(undefined, -5, 10_000), 10_000);
});

it('asking for more never takes any away', () => {
  fc.assert(fc.property(fc.integer(), fc.nat(), (left, ms) => extended(left, ms) >= Math.max(left, ms)));
});
