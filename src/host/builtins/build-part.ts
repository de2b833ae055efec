import { chmod, chown, constants, copyFile, mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileError } from '../images/file-error.ts';
import type { PartPlan } from './plan-part.ts';
import type { PlanEntry } from './root-plan.ts';

/** Files copied at once; more only makes the disk seek. */
const COPIES = 8;

/** Makes what a plan says in an empty folder. */
export async function buildPart(plan: Pick<PartPlan, 'entries'>, into: string): Promise<void> {
  const made = new Set<string>(['/']);
  const folder = async (path: string): Promise<void> => {
    if (made.has(path)) return;
    await folder(dirname(path));
    await mkdir(join(into, path), { mode: 0o755, recursive: true });
    made.add(path);
  };
  try {
    const entries = [...plan.entries].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [path, entry] of entries) {
      await folder(dirname(path));
      if (entry.kind === 'directory') await directory(join(into, path), entry, () => folder(path));
    }
    const rest = entries.filter(([, entry]) => entry.kind !== 'directory').values();
    const worker = async () => {
      for (const [path, entry] of rest) await place(join(into, path), entry);
    };
    await Promise.all(Array.from({ length: COPIES }, worker));
  } catch (cause) {
    throw fileError(cause, 'a builtin root');
  }
}

async function directory(
  at: string,
  entry: PlanEntry & { kind: 'directory' },
  make: () => Promise<void>,
): Promise<void> {
  await make();
  await chmod(at, entry.mode);
  if (entry.uid !== 0) await chown(at, entry.uid, entry.uid);
}

async function place(at: string, entry: PlanEntry): Promise<void> {
  if (entry.kind === 'link') await symlink(entry.to, at);
  else if (entry.kind === 'text') {
    await writeFile(at, entry.text);
    await chmod(at, entry.mode);
  } else if (entry.kind === 'file') {
    // A clone where the file system can, which costs neither time nor space.
    await copyFile(entry.from, at, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await chmod(at, entry.mode);
    // Python's compiled files are valid only for a source of the same time.
    await utimes(at, entry.mtimeMs / 1000, entry.mtimeMs / 1000);
  }
}
