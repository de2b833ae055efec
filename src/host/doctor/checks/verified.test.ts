import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VerifyReport } from '../../../contract/schemas/verify.ts';
import type { Facts } from '../check.ts';
import type { Probe } from '../probe.ts';
import { verifiedChecks } from './verified.ts';

const [check] = verifiedChecks;
const facts = { dataDir: '/data' } as Facts;

async function look(report: VerifyReport | undefined) {
  const readFile = (path: string) => (path === '/data/verify.json' && report ? JSON.stringify(report) : undefined);
  return await check?.look({ readFile } as unknown as Probe, facts);
}

function report(id?: string): VerifyReport {
  const findings = [{ via: 'exec' as const, text: 'it got out' }];
  const checks = id === undefined ? [] : [{ id, title: id, outcome: 'failed' as const, findings }];
  const level = { level: 'jail' as const, runtime: 'bwrap', passed: id === undefined, tookMs: 1, checks };
  return { node: 'here', at: '2030-01-01T00:00:00.000Z', passed: id === undefined, levels: [level], absent: [] };
}

test('a finding of the adversary is a failure of this machine, and one that could not be run a warning', async () => {
  assert.equal((await look(undefined))?.status, 'ok');
  assert.equal((await look(report()))?.status, 'ok');
  const failed = await look(report('self.ids'));
  assert.equal(failed?.status, 'fail');
  assert.match(failed?.found ?? '', /jail: self\.ids \(it got out\)/);
  assert.equal((await look(report('complete')))?.status, 'warn');
});
