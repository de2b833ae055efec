import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { LAUNCHER } from './launch.ts';

/** Nobody's on this machine: no name, no group, no files. */
const UID = 65_000;

/** Somebody without rights, with a home, and with a copy of Arc that is another's and can only be read. */
export interface PlainUser extends AsyncDisposable {
  readonly home: string;
  /** Starts the copy's launcher as this user. */
  readonly program: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export async function plainUser(): Promise<PlainUser> {
  const folder = await mkdtemp(join(tmpdir(), 'arc-plain-'));
  const [home, copy] = [join(folder, 'home'), join(folder, 'arc')];
  await chmod(folder, 0o755);
  await mkdir(home);
  await mkdir(copy);
  const project = dirname(LAUNCHER);
  const names = (await readdir(project)).filter((name) => name !== '.git');
  execFileSync('cp', ['--archive', ...names.map((name) => join(project, name)), copy]);
  // What was built or kept for others is not there for a newcomer.
  await rm(join(copy, 'node_modules/.cache'), { recursive: true, force: true });
  await rm(join(copy, 'native/build'), { recursive: true, force: true });
  execFileSync('chmod', ['--recursive', 'go=rX', copy]);
  const root = process.getuid?.() === 0;
  if (root) await chown(home, UID, UID);
  const drop = root ? ['setpriv', `--reuid=${UID}`, `--regid=${UID}`, '--clear-groups', '--'] : [];
  return {
    home,
    program: [...drop, join(copy, 'arc')],
    env: { HOME: home, NODE_COMPILE_CACHE: join(home, '.compiled') },
    [Symbol.asyncDispose]: async () => await rm(folder, { recursive: true, force: true }),
  };
}
