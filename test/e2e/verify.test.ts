import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { VerifyReport } from '../../src/contract/schemas/verify.ts';
import { type LaunchedArc, launchArc } from './lib/launch.ts';
import { until } from './lib/until.ts';

/** The adversary, as an operator runs it: on a real Arc, at every level that this machine gives. */
let arc: LaunchedArc;
before(async () => {
  arc = await launchArc({ octet: 111, env: { ARC_VERIFY: 'start' } });
});
after(async () => {
  await arc[Symbol.asyncDispose]();
});

test('arc verify finds nothing at any level, says what it tried, and leaves nothing behind', async () => {
  const shown = await arc.cli('verify');
  assert.equal(shown.code, 0, shown.stdout + shown.stderr);
  assert.match(shown.stdout, /^CHECK +JAIL +CONTAINER +GVISOR/m);
  assert.match(shown.stdout, /^calls\.list +ok +ok +- /m);
  assert.match(shown.stdout, /^network\.refused +ok +ok +ok /m);
  assert.match(shown.stdout, /^container \(crun\): nothing found, \d+ checks/m);
  const left = await readdir(join(arc.dataDir, 'sandboxes'));
  assert.deepEqual(left, []);
  assert.ok(!(await readdir(arc.dataDir)).some((name) => name.startsWith('canary-')));
});

test('the newest report is there for programs, people and the doctor', async () => {
  const machine = await arc.cli('verify', '--last', '--json');
  const report = JSON.parse(machine.stdout) as VerifyReport;
  assert.equal(machine.code, 0);
  assert.equal(report.passed, true);
  assert.ok(report.levels.length >= 3);
  for (const { level, checks } of report.levels) {
    assert.ok(checks.length > 30, level);
    assert.ok(
      checks.every(({ outcome, reason }) => outcome !== 'skipped' || (reason ?? '') !== ''),
      level,
    );
  }
  assert.deepEqual(await arc.client.verified(), report);
  const levels = await arc.cli('levels');
  assert.match(levels.stdout, /verified: +\S+: an adversary found nothing/);
  const doctor = await arc.cli('doctor');
  assert.match(doctor.stdout, /nothing found at jail, container, gvisor/);
});

test('a key that is not of an admin may not run it', async () => {
  const { secret } = await arc.client.keys.create({
    ...{ name: 'all', owner: 'somebody' },
    scopes: ['sandboxes:read', 'sandboxes:write', 'templates:read', 'templates:write'],
  });
  const asked = await fetch(`${arc.api}/v1/verify`, { method: 'POST', headers: { authorization: `Bearer ${secret}` } });
  assert.equal(asked.status, 403);
});

test('a start takes over what this machine was found to be, without running it again', async () => {
  const before = await arc.client.verified();
  await arc.kill();
  arc = await arc.again();
  const known = async () => await arc.client.verified().catch(() => undefined);
  const after = await until('the report is there again', known);
  assert.equal(after.at, before.at);
});
