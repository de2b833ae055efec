import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../../kit/remove-tree.ts';

/** Mount points and places to write; nothing else is in the root but the adversary, so what it finds is of somebody else. */
const FOLDERS = ['proc', 'sys', 'dev', 'run', 'etc', 'var', 'var/tmp', 'tmp', 'root', 'home', 'srv'];
const OPEN_TO_ALL = ['var/tmp', 'tmp'];

/**
 * A root filesystem that holds the adversary only: `DATA/verify/root-DIGEST/`. It comes in by rename, whole; those of other
 * versions are removed, since no sandbox outlives its verification.
 * @param binary the static program
 */
export async function adversaryRoot(dataDir: string, binary: string): Promise<string> {
  const parent = join(dataDir, 'verify');
  const digest = createHash('sha256')
    .update(await readFile(binary))
    .digest('hex')
    .slice(0, 16);
  const name = `root-${digest}`;
  await mkdir(parent, { recursive: true, mode: 0o711 });
  const there = await readdir(parent);
  if (there.includes(name)) return join(parent, name);
  for (const other of there) await removeTree(join(parent, other), parent);
  const fresh = join(parent, `new-${digest}`);
  await mkdir(fresh, { mode: 0o755 });
  for (const folder of FOLDERS) await mkdir(join(fresh, folder), { mode: 0o755 });
  for (const folder of OPEN_TO_ALL) await chmod(join(fresh, folder), 0o1777);
  await cp(binary, join(fresh, 'adversary'));
  await chmod(join(fresh, 'adversary'), 0o755);
  await rename(fresh, join(parent, name));
  return join(parent, name);
}
