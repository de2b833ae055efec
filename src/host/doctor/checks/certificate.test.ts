import assert from 'node:assert/strict';
import { test } from 'node:test';
import { factsOf, goodMachine, noted, probeOf } from '../fake-machine.ts';
import { certificateChecks } from './certificate.ts';

async function look(state?: object) {
  const machine = goodMachine();
  if (state) noted(state)(machine);
  return await certificateChecks[0]?.look(probeOf(machine), factsOf(machine));
}

const FAILURE = { at: 0, count: 3, what: 'the zone is locked' };

test('a certificate that has ended is a failure, with why it was not renewed', async () => {
  const verdict = await look({ names: [], until: Date.UTC(2026, 10, 1), failure: FAILURE });
  assert.deepEqual(verdict, { status: 'fail', found: 'ended on 2026-11-01; tried 3 times: the zone is locked' });
});

test('a certificate that can not be renewed is a warning while it is valid', async () => {
  const verdict = await look({ names: [], until: Date.UTC(2026, 11, 1), failure: FAILURE });
  assert.equal(verdict?.status, 'warn');
  assert.match(verdict?.found ?? '', /ends on 2026-12-01, and can not be renewed; tried 3 times: the zone is locked/);
});

test('a certificate that is renewed is right, and so is none where nothing is had by ACME', async () => {
  assert.deepEqual(await look({ names: [], until: Date.UTC(2026, 11, 1) }), {
    status: 'ok',
    found: 'until 2026-12-01',
  });
  assert.equal((await look())?.status, 'ok');
});
