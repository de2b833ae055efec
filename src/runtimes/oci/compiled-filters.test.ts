import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CompiledFilters } from './compiled-filters.ts';
import { seccompFor } from './seccomp.ts';

const list = seccompFor('x64', []);

async function folder(t: TestContext, program: string, filter: Buffer) {
  const dir = await mkdtemp(join(tmpdir(), 'arc-filters-'));
  t.after(() => rm(dir, { recursive: true }));
  await writeFile(join(dir, 'program'), program);
  await writeFile(join(dir, 'filter'), filter);
  return { filters: new CompiledFilters(join(dir, 'program')), path: join(dir, 'filter') };
}

test('a list is compiled by the first start and handed over compiled to later ones, beside a list that allows nothing', async (t) => {
  const { filters, path } = await folder(t, 'x run.oci.seccomp_bpf_data x', Buffer.alloc(16, 1));
  assert.deepEqual(filters.parts(list), { seccomp: list });
  await filters.learn(list, path);
  const { seccomp, annotations } = filters.parts(list);
  assert.deepEqual(annotations, { 'run.oci.seccomp_bpf_data': Buffer.alloc(16, 1).toString('base64') });
  assert.deepEqual([seccomp.defaultAction, seccomp.syscalls], ['SCMP_ACT_ERRNO', []]);
  assert.deepEqual(
    filters.parts(seccompFor('x64', ['SYS_CHROOT'])).annotations,
    undefined,
    'another list is another filter',
  );
});

test('what is no whole filter is not remembered, and neither is one of a runtime that takes none', async (t) => {
  for (const [program, filter] of [
    ['x run.oci.seccomp_bpf_data x', Buffer.alloc(15)],
    ['x run.oci.seccomp_bpf_data x', Buffer.alloc(0)],
    ['x run.oci.seccomp_bpf_data x', Buffer.alloc(8 * 4097)],
    ['another runtime', Buffer.alloc(16)],
  ] as const) {
    const { filters, path } = await folder(t, program, filter);
    await filters.learn(list, path);
    assert.deepEqual(filters.parts(list), { seccomp: list });
  }
});
