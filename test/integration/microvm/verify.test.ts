import assert from 'node:assert/strict';
import { test } from 'node:test';
import { world } from '../node/harness.ts';
import { rulesOf, verifyIn } from '../node/verify-world.ts';
import { machines, qemuHere } from './machines.ts';

test('an adversary finds nothing in a virtual machine, by create and by exec alike', async (t) => {
  await using at = await world();
  await using _rules = await rulesOf(at);
  const runtime = (await machines(at, await qemuHere()))();
  const { checks, tookMs } = await verifyIn(at, runtime, 'microvm');
  t.diagnostic(`${tookMs} ms`);
  assert.deepEqual(
    checks.filter(({ outcome }) => outcome === 'failed'),
    [],
  );
});
