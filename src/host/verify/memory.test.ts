import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { VerifyReport } from '../../contract/schemas/verify.ts';
import { KeptReports, LAST_REPORT } from './memory.ts';

const level = { level: 'jail', runtime: 'bwrap', passed: true, tookMs: 1, checks: [] } as const;
const report = (passed: boolean): VerifyReport => ({
  ...{ node: 'here', at: '2030-01-01T00:00:00.000Z', passed, levels: [{ ...level, checks: [], passed }], absent: [] },
});

test('what passed is taken over by the next start until a program or a source changes; what failed is not', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'arc-reports-'));
  t.after(() => rm(dir, { recursive: true }));
  const program = join(dir, 'crun');
  await writeFile(program, 'one');
  await writeFile(join(dir, 'filter.ts'), 'allow nothing');
  const kept = () =>
    new KeptReports({ dataDir: dir, sharedDir: join(dir, 'shared'), programs: [program], sources: [dir] });
  assert.equal(await kept().recall(), undefined);
  await kept().keep(report(false));
  assert.equal(await kept().recall(), undefined);
  assert.equal(JSON.parse(await readFile(join(dir, LAST_REPORT), 'utf8')).passed, false);
  await kept().keep(report(true));
  assert.deepEqual(await kept().recall(), report(true));
  assert.equal(JSON.parse(await readFile(join(dir, LAST_REPORT), 'utf8')).passed, true);
  await writeFile(program, 'another');
  assert.equal(await kept().recall(), undefined);
  await kept().keep(report(true));
  await writeFile(join(dir, 'filter.ts'), 'allow everything');
  assert.equal(await kept().recall(), undefined);
});
