import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCheck } from '../check.ts';
import { type FakeMachine, factsOf, goodMachine, probeOf } from '../fake-machine.ts';
import { serverChecks } from './server.ts';

const look = async (id: string, change: (machine: FakeMachine) => void) => {
  const machine = goodMachine();
  change(machine);
  const check = serverChecks.find((one) => one.id === id);
  assert.ok(check);
  return await runCheck(check, probeOf(machine), factsOf(machine));
};

test('a plain user has no helper, and is not told to build one', async () => {
  const helper = async () => ({ built: false, version: undefined, expected: '1' });
  const seen = await look('helper.answers', (machine) => {
    machine.probe.machine = { kernel: '6.1.0', node: 'v24.1.0', uid: 1000, memoryBytes: 8e9 };
    machine.facts.helper = helper;
  });
  assert.deepEqual([seen.status, seen.fix], ['ok', '']);
  const root = await look('helper.answers', (machine) => {
    machine.facts.helper = helper;
  });
  assert.equal(root.status, 'fail');
});

test('the server on the own data folder is no second one, however it came by that folder', async () => {
  const argv = ['node', '/opt/arc/src/main/arc.ts', 'up'];
  const seen = await look('server.alone', (machine) => {
    machine.probe.processes = () => [{ pid: 79, argv: [...argv, '--data-dir', 'named-by-another-way'] }];
    machine.facts.serverPid = () => 79;
  });
  assert.equal(seen.status, 'ok');
});
