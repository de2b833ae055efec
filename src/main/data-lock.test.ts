import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { dataDirIsLocked, lockDataDir } from './data-lock.ts';

test('a data folder has one server at a time, and is free again once that one lets go', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'arc-lock-'));
  try {
    assert.equal(dataDirIsLocked(dir), false, 'nobody was ever here');
    const first = lockDataDir(dir);
    assert.equal(dataDirIsLocked(dir), true);
    assert.equal((await stat(join(dir, 'lock.db'))).mode & 0o777, 0o600, 'who can read it can hold it');
    assert.throws(() => lockDataDir(dir), { code: 'data_dir_locked' });
    first[Symbol.dispose]();
    assert.equal(dataDirIsLocked(dir), false);
    lockDataDir(dir)[Symbol.dispose]();
  } finally {
    await rm(dir, { recursive: true });
  }
});
