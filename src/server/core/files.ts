import { posix } from 'node:path';
import { ArcError, asArcError } from '../../contract/errors.ts';
import type { Engine, FileSession, Target } from '../../engines/engine.ts';

/** Where a sandbox finds the variables of its create that came too late for its program. Lines for a shell to source. */
export const LATE_ENV_FILE = '/run/arc/env';
const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;

/**
 * Writes small texts by absolute path; the folders above them are made. Throws what the files API throws.
 *
 * @param modes of those that not everybody inside may read
 */
export async function placeFiles(
  engine: Engine,
  target: Target,
  files: Readonly<Record<string, string>>,
  modes: Readonly<Record<string, number>> = {},
): Promise<void> {
  const entries = Object.entries(files);
  if (entries.length === 0) return;
  if (!engine.files) throw new ArcError('method_not_allowed', `the engine ${engine.name} can not write files`);
  await using session = await engine.files.open(target);
  const made = new Set(['/']);
  for (const [path, text] of entries) {
    try {
      await makeFolder(session, posix.dirname(path), made);
      await session.write(path, once(Buffer.from(text)), modes[path] ?? FILE_MODE);
    } catch (error) {
      const { code, message } = asArcError(error);
      throw new ArcError(code, `${path}: ${message}`, { cause: error });
    }
  }
}

async function makeFolder(session: FileSession, path: string, made: Set<string>): Promise<void> {
  if (made.has(path)) return;
  await makeFolder(session, posix.dirname(path), made);
  await session.mkdir(path, FOLDER_MODE);
  made.add(path);
}

async function* once(data: Uint8Array): AsyncGenerator<Uint8Array> {
  yield data;
}

/** As a shell reads it: `set -a; . /run/arc/env`. */
export function envFile(env: Readonly<Record<string, string>>): string {
  return Object.entries(env)
    .map(([key, value]) => `${key}='${value.replaceAll("'", "'\\''")}'\n`)
    .join('');
}
