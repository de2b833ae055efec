import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { IdleSpec } from '../contract/spec.ts';
import { cpuLookMs, type LifeFacts, lifePlan } from './life-plan.ts';
import { isShort, parkedFirst } from './pressure.ts';
import { quietFor } from './quiet.ts';

const M = 60_000;
const idle: IdleSpec = { softMs: 10 * M, hardMs: 15 * M, then: 'frozen', keep: false };
const running = (more: Partial<LifeFacts> = {}): LifeFacts => ({
  state: 'running',
  reason: 'ready',
  quietMs: 0,
  ...more,
});

describe('an idle sandbox', () => {
  it('is let be while it is used, and it is known when it will stop', () => {
    assert.deepEqual(lifePlan(running({ idle })), {
      stops: { inMs: 15 * M, why: 'hard-limit', then: 'frozen' },
      lookInMs: 10 * M,
    });
  });

  it('is warned at its soft limit, calmed by use, and ends at its hard limit as its policy says', () => {
    const soft = lifePlan(running({ idle, quietMs: 10 * M }));
    assert.deepEqual(soft.step, { do: 'warn', reason: 'soft-limit' });
    assert.equal(soft.lookInMs, 5 * M);
    const warned = { state: 'warned', reason: 'soft-limit', idle } as const;
    assert.equal(lifePlan({ ...warned, quietMs: 12 * M }).step, undefined);
    assert.deepEqual(lifePlan({ ...warned, quietMs: 0 }).step, { do: 'calm' });
    for (const then of ['frozen', 'stopped', 'removed'] as const) {
      const { step } = lifePlan({ ...warned, idle: { ...idle, then }, quietMs: 15 * M });
      assert.deepEqual(step, { do: 'end', reason: 'hard-limit', then });
    }
  });

  it('is warned first even when we look late, and not asked twice', () => {
    assert.deepEqual(lifePlan(running({ idle, quietMs: 99 * M })).step, { do: 'warn', reason: 'soft-limit' });
    const { softMs: _none, ...hard } = idle;
    assert.equal(lifePlan(running({ idle: hard, quietMs: 15 * M })).step?.do, 'end');
  });

  it('that is frozen stays so, or is stopped later where its policy says so', () => {
    const frozen = { state: 'frozen', reason: 'hard-limit', quietMs: 20 * M } as const;
    assert.deepEqual(lifePlan({ ...frozen, idle }), {});
    const later = { ...idle, stopMs: 60 * M };
    assert.deepEqual(lifePlan({ ...frozen, idle: later }).stops, { inMs: 55 * M, why: 'hard-limit', then: 'stopped' });
    assert.deepEqual(lifePlan({ ...frozen, idle: later, quietMs: 75 * M }).step, {
      do: 'end',
      reason: 'hard-limit',
      then: 'stopped',
    });
  });

  it('is measured now and then where being busy counts', () => {
    assert.equal(cpuLookMs(idle), M);
    assert.equal(lifePlan(running({ idle: { ...idle, cpus: 0.1 } })).lookInMs, M);
  });
});

describe('a time to live', () => {
  it('warns, and ends in a grace time or at once', () => {
    const ttl = { warningMs: 5 * M };
    assert.equal(lifePlan(running({ ttl, ttlLeftMs: 6 * M })).lookInMs, M);
    assert.deepEqual(lifePlan(running({ ttl, ttlLeftMs: 5 * M })).step, { do: 'warn', reason: 'ttl' });
    assert.deepEqual(lifePlan(running({ ttlLeftMs: 0 })).step, { do: 'end', reason: 'ttl', then: 'removed' });
    const grace = { ttl: { graceMs: 10 * M } };
    assert.deepEqual(lifePlan(running({ ...grace, ttlLeftMs: 0 })).step, { do: 'end', reason: 'ttl', then: 'stopped' });
    const stopped = { state: 'stopped', reason: 'ttl', quietMs: 0, ...grace } as const;
    assert.deepEqual(lifePlan({ ...stopped, ttlLeftMs: -4 * M }).stops, { inMs: 6 * M, why: 'ttl', then: 'removed' });
    assert.equal(lifePlan({ ...stopped, ttlLeftMs: -10 * M }).step?.do, 'end');
  });

  it('counts while it is parked', () => {
    for (const state of ['frozen', 'stopped'] as const) {
      const { step } = lifePlan({ state, reason: 'hard-limit', idle, quietMs: 20 * M, ttlLeftMs: 0 });
      assert.deepEqual(step, { do: 'end', reason: 'ttl', then: 'removed' });
    }
  });

  it('is warned of although it was warned of being idle, when it comes first', () => {
    const warned = { state: 'warned', reason: 'soft-limit', idle, quietMs: 11 * M, ttl: { warningMs: 5 * M } } as const;
    assert.deepEqual(lifePlan({ ...warned, ttlLeftMs: 3 * M }).step, { do: 'warn', reason: 'ttl' });
    assert.equal(lifePlan({ ...warned, ttlLeftMs: 5 * M }).step, undefined);
    assert.equal(lifePlan({ ...warned, reason: 'ttl', ttlLeftMs: 3 * M }).step, undefined);
  });
});

it('nothing stops what has no limits, is being started, or is over', () => {
  assert.deepEqual(lifePlan(running()), {});
  for (const state of ['queued', 'starting', 'failed', 'removed'] as const) {
    assert.deepEqual(lifePlan({ state, reason: 'created', idle, quietMs: 99 * M, ttlLeftMs: -M }), {});
  }
});

it('time always brings the next step, and looking in between changes nothing', () => {
  const ms = fc.integer({ min: 1, max: 1_000 });
  const some = fc.option(ms, { nil: undefined });
  fc.assert(
    fc.property(ms, some, some, some, some, (hardMs, soft, ttlLeft, warningMs, graceMs) => {
      const softMs = soft !== undefined && soft < hardMs ? soft : undefined;
      const policy: IdleSpec = { hardMs, then: 'stopped', keep: false, ...(softMs === undefined ? {} : { softMs }) };
      const ttl = { ...(warningMs === undefined ? {} : { warningMs }), ...(graceMs === undefined ? {} : { graceMs }) };
      let facts: LifeFacts = running({ idle: policy, ttl, ...(ttlLeft === undefined ? {} : { ttlLeftMs: ttlLeft }) });
      for (let steps = 0; steps < 10; steps++) {
        const plan = lifePlan(facts);
        if (plan.step?.do === 'end') return;
        if (plan.step?.do === 'warn') facts = { ...facts, state: 'warned', reason: plan.step.reason };
        else {
          assert.ok(plan.lookInMs !== undefined && plan.lookInMs > 0, JSON.stringify(facts));
          const later = plan.lookInMs;
          const left = facts.ttlLeftMs;
          facts = {
            ...facts,
            quietMs: facts.quietMs + later,
            ...(left === undefined ? {} : { ttlLeftMs: left - later }),
          };
        }
      }
      assert.fail('it never ended');
    }),
  );
});

it('an open connection counts as use, one that says nothing only for a time', () => {
  assert.equal(quietFor({ usedAt: 100, open: 0 }, 700, 300), 600);
  assert.equal(quietFor({ usedAt: 100, open: 2 }, 350, 300), 0);
  assert.equal(quietFor({ usedAt: 100, open: 2 }, 700, 300), 300);
  assert.equal(quietFor({ usedAt: 900, open: 1 }, 700, 300), -200);
});

it('under memory pressure the longest idle go first, a few at a time, and none that was just used', () => {
  const limits = { availableMin: 0.1, stalledPercentMax: 20, quietMs: 10, atOnce: 2 };
  const quiet = (id: string, quietMs: number) => ({ id, quietMs });
  assert.deepEqual(parkedFirst([quiet('a', 11), quiet('b', 9), quiet('c', 99), quiet('d', 50)], limits), ['c', 'd']);
  assert.equal(isShort({ totalBytes: 100, availableBytes: 9 }, limits), true);
  assert.equal(isShort({ totalBytes: 100, availableBytes: 30, stalledPercent: 21 }, limits), true);
  assert.equal(isShort({ totalBytes: 100, availableBytes: 60, stalledPercent: 99 }, limits), false);
  assert.equal(isShort({ totalBytes: 100, availableBytes: 30 }, limits), false);
});
