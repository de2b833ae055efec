import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { base32 } from '../contract/ids.ts';
import type { Rng } from '../kit/clock.ts';

const KEY_BYTES = 20;

/** The admin's key, made at the first start: `admin.key` in the data folder, readable by its owner alone. */
export function adminKey(dataDir: string, rng: Rng): string {
  const path = join(dataDir, 'admin.key');
  try {
    const kept = readFileSync(path, 'utf8').trim();
    if (kept !== '') return kept;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  const secret = `arc_${base32(rng.bytes(KEY_BYTES))}`;
  const file = openSync(`${path}.new`, 'w', 0o600);
  try {
    writeSync(file, `${secret}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
  return secret;
}
