import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VerifiedLevel, VerifyReport } from '../../contract/schemas/verify.ts';
import { silentLogger } from '../../kit/logger.ts';
import type { Runtime } from '../../runtimes/runtime.ts';
import { ManualClock } from '../../testing/fakes/manual-clock.ts';
import { Levels } from '../levels.ts';
import { Verifier, type VerifyMemory } from './verifier.ts';
import type { VerifyParts } from './verify-level.ts';

const failedAt = (id: string): VerifiedLevel => ({
  ...{ level: 'container', runtime: 'crun', passed: false, tookMs: 1 },
  checks: [{ id, title: id, outcome: 'failed', findings: [{ via: 'exec', text: 'it got out' }] }],
});
const report = (level: VerifiedLevel): VerifyReport => ({
  ...{ node: 'here', at: '2030-01-01T00:00:00.000Z', passed: level.passed, levels: [level], absent: [] },
});

/** A runtime that gives a level and can start nothing. */
function runtime(emulated = false): Runtime {
  const level = {
    level: 'container',
    available: true,
    runtime: 'crun',
    note: 'fine',
    ...(emulated && { emulated }),
  } as const;
  return { name: 'crun', probe: async () => [level] } as unknown as Runtime;
}

function verifier(levels: Levels, memory: VerifyMemory): Verifier {
  const parts = {
    clock: new ManualClock(),
    root: () => Promise.reject(new Error('no root')),
  } as unknown as VerifyParts;
  return new Verifier({ node: 'here', levels, parts, memory, clock: new ManualClock(), log: silentLogger });
}

const nothing: VerifyMemory = { recall: async () => undefined, keep: async () => {} };

test('a level with a finding takes no work, says why, and takes it again once nothing is found', async () => {
  const levels = new Levels([runtime()]);
  levels.verified(failedAt('self.ids'), 5);
  await assert.rejects(levels.runtimeFor('container'), { code: 'level_refused', message: /self\.ids \(it got out\)/ });
  const [, , shown] = await levels.reports();
  assert.deepEqual([shown?.level, shown?.available, shown?.verified?.findings], ['container', false, 1]);
  levels.verified({ ...failedAt('self.ids'), passed: true, checks: [] }, 6);
  assert.equal((await levels.runtimeFor('container')).name, 'crun');
});

test('an adversary that could not be run refuses nothing, and the report says so', async () => {
  const levels = new Levels([runtime()]);
  const kept: VerifyReport[] = [];
  const made = await verifier(levels, { ...nothing, keep: async (one) => void kept.push(one) }).run();
  assert.equal(made.passed, false);
  assert.match(made.levels[0]?.checks[0]?.findings[0]?.text ?? '', /could not be run/);
  assert.deepEqual(kept, [made]);
  assert.equal((await levels.runtimeFor('container')).name, 'crun');
});

test('at a start what this machine was found to be is taken over, and nothing is run', async () => {
  const levels = new Levels([runtime()]);
  const one = verifier(levels, { ...nothing, recall: async () => report(failedAt('self.ids')) });
  await one.atStart();
  assert.equal((await one.last())?.levels.length, 1);
  await assert.rejects(levels.runtimeFor('container'), { code: 'level_refused' });
});

test('by emulation a level is not tried at a start, but when it is asked for', async () => {
  const one = verifier(new Levels([runtime(true)]), nothing);
  await one.atStart();
  assert.equal((await one.last())?.levels.length, 0);
  assert.equal((await one.run()).levels.length, 1);
});

test('who asks while it runs gets the same report', async () => {
  const one = verifier(new Levels([runtime()]), nothing);
  const [first, second] = await Promise.all([one.run(), one.run()]);
  assert.equal(first, second);
});
