import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Exit } from '../../contract/spec.ts';
import { RuntimeFailed } from '../../host/helper/port.ts';
import { guestRuns } from './guest-start.ts';

const exit = (code: number | null, oom = false): Promise<Exit> => Promise.resolve({ code, signal: null, oom, at: 1 });
const never = new Promise<Exit>(() => {});
const silent = async () => '';

test('it runs once the runtime says so, and not before', async () => {
  const states = ['{"status": "creating"}', '', '{"status": "created"}', '{"status": "running"}', 'not asked'];
  await guestRuns(never, async () => states.shift() ?? '', silent);
  assert.deepEqual(states, ['not asked']);
});

test('a program that is over at once has run', async () => {
  await guestRuns(exit(7), silent, silent);
  await guestRuns(exit(128), silent, async () => 'my own words');
});

test('a runtime that failed says what it printed', async () => {
  const said = 'running container: starting container: error finding executable "x"';
  await assert.rejects(
    guestRuns(exit(128), silent, async () => said),
    (error) => error instanceof RuntimeFailed && error.output === said,
  );
});

test('a runtime that was killed for memory before the program ran is told as that', async () => {
  await assert.rejects(
    guestRuns(exit(null, true), silent, silent),
    (error) => error instanceof RuntimeFailed && error.oom,
  );
});

test('a runtime that never gets there is given up', async () => {
  await assert.rejects(
    guestRuns(never, async () => '{"status":"created"}', silent),
    RuntimeFailed,
  );
});
