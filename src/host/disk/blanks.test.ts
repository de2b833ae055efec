import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ArcError } from '../../contract/errors.ts';
import { runProgram } from '../../kit/run.ts';
import { Blanks, inodesFor } from './blanks.ts';

const MIB = 1024 * 1024;

async function folder(t: { after(undo: () => Promise<void>): void }): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'arc-blanks-'));
  t.after(() => rm(dir, { recursive: true }));
  return dir;
}

test('an image has the size asked for, holds a file system, and costs little', async (t) => {
  const blanks = new Blanks({ dir: await folder(t), mkfs: '/usr/sbin/mkfs.ext4', run: runProgram });
  const { path, inodes } = await blanks.get(64 * MIB);
  const { size, blocks } = await stat(path);
  assert.equal(size, 64 * MIB);
  assert.ok(blocks * 512 < 2 * MIB, `${blocks * 512} bytes`);
  assert.equal(inodes, inodesFor(64 * MIB));
});

test('one size is made once, however many ask at once', async (t) => {
  let runs = 0;
  const run: typeof runProgram = (argv, options) => {
    runs += 1;
    return runProgram(argv, options);
  };
  const dir = await folder(t);
  const blanks = new Blanks({ dir, mkfs: '/usr/sbin/mkfs.ext4', run });
  const made = await Promise.all([blanks.get(4 * MIB), blanks.get(4 * MIB), blanks.get(4 * MIB)]);
  assert.equal(runs, 1);
  assert.equal(new Set(made.map((blank) => blank.path)).size, 1);
  await new Blanks({ dir, mkfs: '/usr/sbin/mkfs.ext4', run }).get(4 * MIB);
  assert.equal(runs, 1);
});

test('a failed mkfs leaves nothing, says why, and is tried again', async (t) => {
  const dir = await folder(t);
  let broken = true;
  const run: typeof runProgram = async (argv, options) =>
    broken ? { code: 1, signal: null, stdout: '', stderr: 'no such device\n' } : await runProgram(argv, options);
  const blanks = new Blanks({ dir, mkfs: '/usr/sbin/mkfs.ext4', run });
  await assert.rejects(
    blanks.get(MIB),
    (error) => error instanceof ArcError && error.code === 'host_unfit' && /no such device/.test(error.message),
  );
  assert.deepEqual(await readdir(dir), []);
  broken = false;
  await blanks.get(MIB);
});
