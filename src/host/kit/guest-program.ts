import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ArcError } from '../../contract/errors.ts';
import type { Run } from '../../kit/run.ts';

/** The first program of a machine stands on the helper's own parts, so these decide about it too. */
const NATIVE = fileURLToPath(new URL('../../../native', import.meta.url));
const FLAGS = ['-std=gnu11', '-Wall', '-Wextra', '-Wno-format-truncation', '-Wno-unused-function'];
const RELEASE = ['-Wno-unused-variable', '-Os', '-static', '-s'];
const COMPILE_MS = 60_000;

/** Digest of all its sources. */
export async function guestDigest(): Promise<string> {
  const hash = createHash('sha256');
  for (const folder of [NATIVE, join(NATIVE, 'guest')]) {
    for (const name of (await readdir(folder)).filter((one) => /\.[ch]$/.test(one)).sort()) {
      hash.update(name).update(await readFile(join(folder, name)));
    }
  }
  return hash.digest('hex');
}

/** Compiles it, static. Throws host_unfit. */
export async function buildGuest(target: string, run: Run): Promise<Buffer> {
  const source = join(NATIVE, 'guest/guest.c');
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' };
  const result = await run(['cc', ...FLAGS, ...RELEASE, '-o', target, source], { env, timeoutMs: COMPILE_MS });
  if (result.code === 0) return await readFile(target);
  throw new ArcError(
    'host_unfit',
    `the machines' first program can not be built: ${result.notStarted ?? result.stderr}`,
    {
      hint: 'Install a compiler and its headers: apt-get install gcc libc6-dev',
    },
  );
}
