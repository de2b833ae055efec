import assert from 'node:assert/strict';
import { test } from 'node:test';
import { factsOf, goodMachine, probeOf } from '../fake-machine.ts';
import { limitChecks } from './limits.ts';

async function processes(threadsMax: string | undefined) {
  const machine = goodMachine();
  machine.files = { ...machine.files, '/proc/sys/kernel/threads-max': threadsMax };
  const check = limitChecks.find(({ id }) => id === 'limit.processes');
  return await check?.look(probeOf(machine), factsOf(machine));
}

test('fewer threads than sandboxes want processes is a warning, however many numbers there are for them', async () => {
  const verdict = await processes('15000\n');
  assert.equal(verdict?.status, 'warn');
  assert.match(verdict?.found ?? '', /pid_max 4194304, threads-max 15000; 4000 sandboxes want 32000/);
  assert.match((await processes(undefined))?.found ?? '', /kernel\.threads-max can not be read/);
  assert.equal((await processes('189000\n'))?.status, 'ok');
});
