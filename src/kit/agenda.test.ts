import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '../testing/fakes/manual-clock.ts';
import { Agenda } from './agenda.ts';

test('calls each key once, at its time, and never with more than one timer', async () => {
  const clock = new ManualClock();
  const heard: string[] = [];
  const agenda = new Agenda(clock, (key) => heard.push(`${key} ${clock.monotonic()}`));
  agenda.set('late', 300);
  agenda.set('early', 100);
  agenda.set('gone', 150);
  agenda.set('moved', 50);
  agenda.set('moved', 200);
  agenda.delete('gone');
  assert.equal(clock.pending, 1);
  await clock.advance(1_000);
  assert.deepEqual(heard, ['early 100', 'moved 200', 'late 300']);
  assert.deepEqual([agenda.size, clock.pending], [0, 0]);
});

test('a key may be set again from within its own call', async () => {
  const clock = new ManualClock();
  let calls = 0;
  const agenda: Agenda = new Agenda(clock, (key) => {
    calls += 1;
    if (calls < 3) agenda.set(key, 10);
  });
  agenda.set('a', 10);
  await clock.advance(100);
  assert.equal(calls, 3);
});

test('a time beyond the longest timer is waited for in parts', async () => {
  const clock = new ManualClock();
  const heard: number[] = [];
  const agenda = new Agenda(clock, () => heard.push(clock.monotonic()));
  agenda.set('far', 300 * 86_400_000);
  await clock.advance(299 * 86_400_000);
  assert.deepEqual(heard, []);
  await clock.advance(86_400_000);
  assert.deepEqual(heard, [300 * 86_400_000]);
});

test('a closed one calls nobody', async () => {
  const clock = new ManualClock();
  const agenda = new Agenda(clock, () => assert.fail('called'));
  agenda.set('a', 10);
  agenda.close();
  await clock.advance(100);
});

test('whatever is set, replaced and deleted, what counts comes in the order of its time', async () => {
  const step = fc.record({
    key: fc.integer({ min: 0, max: 20 }),
    ms: fc.integer({ min: 0, max: 500 }),
    drop: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 200 }), async (steps) => {
      const clock = new ManualClock();
      const heard: { key: string; at: number }[] = [];
      const agenda = new Agenda(clock, (key) => heard.push({ key, at: clock.monotonic() }));
      const wanted = new Map<string, number>();
      for (const { key, ms, drop } of steps) {
        if (drop) agenda.delete(String(key));
        else agenda.set(String(key), ms);
        if (drop) wanted.delete(String(key));
        else wanted.set(String(key), ms);
      }
      await clock.advance(1_000);
      assert.deepEqual(new Map(heard.map(({ key, at }) => [key, at])), wanted);
      assert.equal(heard.length, wanted.size);
      assert.deepEqual(
        heard.map(({ at }) => at),
        [...wanted.values()].sort((a, b) => a - b),
      );
    }),
    { numRuns: 50 },
  );
});
