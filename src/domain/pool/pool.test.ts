import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resolveRequest, resolveTemplate } from '../resolve.ts';
import { asked, faded, noDemand, wanted } from './demand.ts';
import { fitting } from './fit.ts';
import { refill } from './plan.ts';
import { isTight, squeezed } from './pressure.ts';
import { share } from './share.ts';

const MIB = 1024 ** 2;

describe('what a warm sandbox can become', () => {
  const spec = (env?: 'late') =>
    resolveTemplate(
      {
        name: 'site',
        root: { builtin: 'shell' },
        command: ['/x'],
        env: { A: '1' },
        pool: { min: 1, ...(env && { env }) },
      },
      { kind: 'builtin', name: 'shell' },
    );
  const asks = (request: object, base = spec()) =>
    fitting(base, resolveRequest(base, { template: 'site', ...request }));

  it('is all that differs only in what belongs to the claimer', () => {
    assert.deepEqual(asks({ labels: { a: 'b' }, ttl: '5m' }), { limits: {}, lateEnv: {} });
    assert.deepEqual(asks({ command: ['/x'], env: { A: '1' }, isolation: 'container' }), { limits: {}, lateEnv: {} });
  });

  it('includes limits that can be changed while it runs', () => {
    assert.deepEqual(asks({ memory: '64MiB', pids: 7 })?.limits, { memoryBytes: 64 * MIB, pids: 7 });
  });

  it('excludes what the program was started with, unless env is said to be late', () => {
    assert.equal(asks({ command: ['/y'] }), undefined);
    assert.equal(asks({ disk: '1MiB' }), undefined);
    assert.equal(asks({ isolation: 'gvisor' }), undefined);
    assert.equal(asks({ env: { B: '2' } }), undefined);
    assert.deepEqual(asks({ env: { B: '2', A: '1' } }, spec('late'))?.lateEnv, { B: '2' });
  });
});

describe('demand', () => {
  const bounds = { min: 2, max: 50 };
  const crowd = (count: number, at: number, demand = noDemand(0)) => {
    let now = demand;
    for (let i = 0; i < count; i++) now = asked(now, at + i);
    return now;
  };

  it('of nobody wants the floor', () => assert.equal(wanted(noDemand(0), bounds, 1e9), 2));

  it('of a crowd is remembered for the next one, within the cap, and forgotten in time', () => {
    const demand = crowd(30, 0);
    assert.equal(wanted(demand, bounds, 100), 30);
    assert.equal(wanted(demand, bounds, 10 * 60_000), 15);
    assert.equal(wanted(demand, bounds, 3 * 3_600_000), 2);
    assert.equal(wanted(crowd(300, 0), bounds, 400), 50);
  });

  it('of a steady stream keeps some seconds of it ready', () => {
    let demand = noDemand(0);
    for (let at = 0; at < 300_000; at += 100) demand = asked(demand, at);
    assert.ok(wanted(demand, { min: 0, max: 1_000 }, 300_000) >= 50);
    assert.ok(demand.rate > 9 && demand.rate < 11, `${demand.rate}`);
  });

  it('does not grow by looking at it, nor by a clock that stands still', () => {
    const demand = crowd(5, 0);
    assert.equal(faded(faded(demand, 10), 10).burst, faded(demand, 10).burst);
  });
});

describe('sharing the memory for warm ones', () => {
  const wish = (template: string, min: number, want: number, mib = 1) => ({
    ...{ template, min, wanted: want },
    bytesEach: mib * MIB,
  });

  it('gives all what they want where it fits', () => {
    const shares = share([wish('a', 2, 10), wish('b', 5, 5)], 100 * MIB, 1);
    assert.deepEqual(
      shares.map(({ target, short }) => [target, short]),
      [
        [10, 0],
        [5, 0],
      ],
    );
  });

  it('fills floors before anything beyond them', () => {
    const shares = share([wish('a', 2, 100), wish('b', 20, 20)], 24 * MIB, 1);
    assert.deepEqual(
      shares.map(({ target }) => target),
      [4, 20],
    );
  });

  it('gives each the same part where the floors do not fit, and says how much is missing', () => {
    const shares = share([wish('a', 10, 10), wish('b', 30, 30)], 20 * MIB, 1);
    assert.deepEqual(
      shares.map(({ target, short }) => [target, short]),
      [
        [5, 5],
        [15, 15],
      ],
    );
  });

  it('never gives more memory than there is, whatever is wished', () => {
    for (const budget of [0, 1, 7, 33, 64]) {
      for (const squeeze of [0, 0.3, 1]) {
        const wishes = [wish('a', 3, 9, 2), wish('b', 1, 50, 5), wish('c', 0, 4, 1)];
        const used = share(wishes, budget * MIB, squeeze).reduce(
          (sum, { target }, index) => sum + target * (wishes[index]?.bytesEach ?? 0),
          0,
        );
        assert.ok(used <= budget * MIB * squeeze, `${used} of ${budget * squeeze} MiB`);
      }
    }
  });
});

describe('memory pressure', () => {
  it('is little available, or much waiting for it', () => {
    assert.equal(isTight({ totalBytes: 100, availableBytes: 50 }), false);
    assert.equal(isTight({ totalBytes: 100, availableBytes: 5 }), true);
    assert.equal(isTight({ totalBytes: 100, availableBytes: 50, stalledPercent: 30 }), true);
  });

  it('takes from the pools fast, down to nothing, and gives back slowly', () => {
    const [tight, calm] = [
      { totalBytes: 100, availableBytes: 1 },
      { totalBytes: 100, availableBytes: 50 },
    ];
    let part = 1;
    for (let i = 0; i < 4; i++) part = squeezed(part, tight);
    assert.equal(part, 0);
    for (let i = 0; i < 10; i++) part = squeezed(part, calm);
    assert.ok(part > 0.4 && part < 0.6);
    for (let i = 0; i < 30; i++) part = squeezed(part, calm);
    assert.equal(part, 1);
  });
});

describe('filling', () => {
  const facts = (template: string, more: object = {}) => ({
    ...{ template, target: 10, ready: 0, starting: 0, proven: true, waits: false },
    ...more,
  });

  it('begins with the emptiest and takes turns', () => {
    const plan = refill([facts('a', { ready: 5 }), facts('b')], 7, 8);
    assert.deepEqual(plan.start, ['b', 'b', 'b', 'b', 'b', 'a', 'b']);
  });

  it('starts no more than there is room for, nor beyond the target', () => {
    assert.equal(refill([facts('a')], 3, 8).start.length, 3);
    assert.equal(refill([facts('a', { ready: 8, starting: 1 })], 8, 8).start.length, 1);
    assert.equal(refill([facts('a', { waits: true })], 8, 8).start.length, 0);
    assert.equal(refill([facts('a')], -2, 8).start.length, 0);
  });

  it('gives templates of which nothing came up yet one start each, and half of all at most', () => {
    const unproven = ['u', 'v', 'w'].map((name) => facts(name, { proven: false }));
    assert.deepEqual(refill([...unproven, facts('z', { ready: 9 })], 4, 4).start, ['u', 'v', 'z']);
  });

  it('lets go what is well over the target, and all where the target is none', () => {
    assert.deepEqual(refill([facts('a', { ready: 11 })], 0, 8).remove, []);
    assert.deepEqual(refill([facts('a', { ready: 15 })], 0, 8).remove, [{ template: 'a', count: 4 }]);
    assert.deepEqual(refill([facts('a', { target: 0, ready: 1 })], 0, 8).remove, [{ template: 'a', count: 1 }]);
  });
});
