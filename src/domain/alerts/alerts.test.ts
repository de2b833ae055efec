import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AlertBook, GROUP_LIMITS } from './book.ts';
import { ALERT_NAMES, type AlertFacts, type Condition, conditions } from './rules.ts';

const GIB = 1024 ** 3;
const QUIET: AlertFacts = {
  memoryShort: false,
  queue: { waiting: 0, longestMs: 0 },
  ...{ pools: [], helperLosses: 0, starts: { done: 100, failed: 1 }, hooks: [] },
};
const names = (facts: Partial<AlertFacts>) => conditions({ ...QUIET, ...facts }, 'node-1').map(({ name }) => name);

test('a machine on which all is well has nothing to tell', () => {
  assert.deepEqual(names({}), []);
  assert.deepEqual(names({ disk: { totalBytes: 100 * GIB, availableBytes: 50 * GIB } }), []);
  assert.deepEqual(names({ pools: [{ template: 'web', ready: 3, target: 3, problem: 'one ended' }] }), []);
  assert.deepEqual(names({ pools: [{ template: 'web', ready: 0, target: 3 }] }), [], 'it is being filled');
  assert.deepEqual(names({ starts: { done: 1, failed: 3 } }), [], 'too few to say anything');
});

test('each rule has facts under which it speaks', () => {
  const found = names({
    nodeProblem: 'the helper does not answer',
    disk: { totalBytes: 100 * GIB, availableBytes: 2 * GIB },
    ...{ memory: { totalBytes: 16 * GIB, availableBytes: GIB, stalledPercent: 31 }, memoryShort: true },
    queue: { waiting: 40, longestMs: 90_000 },
    pools: [{ template: 'web', ready: 1, target: 3, problem: 'no room' }],
    ...{ helperLosses: 3, starts: { done: 10, failed: 10 } },
    hooks: [{ id: 'hk-a', problem: 'it answered 500', givenUp: 0 }],
  });
  assert.deepEqual([...found].sort(), [...ALERT_NAMES].sort());
});

test('a summary has the figures that people need', () => {
  const [disk] = conditions({ ...QUIET, disk: { totalBytes: 100 * GIB, availableBytes: 2 * GIB } }, 'node-1');
  assert.equal(disk?.summary, 'node-1 has 2 % (2 GiB) of its disk left for sandboxes');
  assert.equal(disk?.severity, 'critical');
});

const one = (name: Condition['name'], forMs = 0): Condition => ({
  ...{ name, subject: 'node-1', severity: 'warning', summary: `${name} it is`, forMs },
});

/** A book and a clock that moves by hand, looked at every five seconds. */
function world(limits = GROUP_LIMITS) {
  const book = new AlertBook(limits);
  let mono = 0;
  return (seen: readonly Condition[], forMs: number) => {
    const told: string[][] = [];
    for (const end = mono + forMs; mono < end; mono += 5_000) {
      const telling = book.look(seen, { wall: 1_900_000_000_000 + mono, mono });
      if (telling) told.push(telling.alerts.map(({ name, status }) => `${name} ${status}`));
    }
    return told;
  };
}

test('what begins together is told together, once, and once more when it is over', () => {
  const pass = world();
  assert.deepEqual(pass([one('disk-low')], 5_000), []);
  assert.deepEqual(pass([one('disk-low'), one('queue-long')], 600_000), [['disk-low firing', 'queue-long firing']]);
  assert.deepEqual(pass([one('queue-long')], 600_000), [['disk-low resolved']]);
  assert.deepEqual(pass([], 600_000), [['queue-long resolved']]);
  assert.deepEqual(pass([], 3_600_000), []);
});

test('what is over before its time has come, or comes and goes, is not told', () => {
  const pass = world();
  assert.deepEqual(pass([one('disk-low', 60_000)], 50_000), []);
  assert.deepEqual(pass([], 600_000), []);
  assert.equal(pass([one('disk-low')], 60_000).length, 1);
  for (let count = 0; count < 10; count++) {
    assert.deepEqual(pass([], 30_000), [], 'gone for less than a minute is not gone');
    assert.deepEqual(pass([one('disk-low')], 30_000), []);
  }
});

test('what goes on is told again after hours, and messages are limited', () => {
  const pass = world();
  assert.equal(pass([one('disk-low')], 8 * 3_600_000 + 60_000).length, 3);
  const flood = world({ ...GROUP_LIMITS, calmMs: 5_000, gatherMs: 0, intervalMs: 0, perHour: 4 });
  let messages = 0;
  for (let count = 0; count < 60; count++) {
    messages += flood([one('disk-low')], 20_000).length + flood([], 20_000).length;
  }
  assert.equal(messages, 4, 'four within forty minutes');
});

test('after a restart nobody is told a second time, and what ended meanwhile is told', () => {
  const before = new AlertBook({ ...GROUP_LIMITS, gatherMs: 0 });
  before.look([one('disk-low'), one('queue-long')], { wall: 1_000, mono: 0 });
  const book = new AlertBook(GROUP_LIMITS, before.told, 500_000);
  const told: string[] = [];
  for (let mono = 500_000; mono < 900_000; mono += 5_000) {
    const telling = book.look([one('disk-low')], { wall: mono, mono });
    told.push(...(telling?.alerts ?? []).map(({ name, status, since }) => `${name} ${status} ${since}`));
  }
  assert.deepEqual(told, ['queue-long resolved 1970-01-01T00:00:01.000Z']);
});
