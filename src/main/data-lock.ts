import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ArcError } from '../contract/errors.ts';
import { privateFile } from '../kit/private-file.ts';

/** ms that somebody who only looks may have it. */
const LOOK_MS_MAX = 100;

/**
 * One server for each data folder. Node has no `flock`; SQLite holds a real file lock that the kernel lets go when the
 * process dies, however it dies, so there is never a stale lock to clear.
 */
export function lockDataDir(dataDir: string): Disposable {
  // Whoever can read it can hold it: nobody else is to keep the server from starting.
  const database = new DatabaseSync(privateFile(join(dataDir, 'lock.db')));
  try {
    database.exec(`PRAGMA busy_timeout = ${LOOK_MS_MAX}; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;`);
  } catch (cause) {
    database.close();
    throw new ArcError('data_dir_locked', `another server uses ${dataDir}`, { cause });
  }
  return { [Symbol.dispose]: () => database.close() };
}

/** Does a server use it right now? Looks for a moment, without waiting. */
export function dataDirIsLocked(dataDir: string): boolean {
  const path = join(dataDir, 'lock.db');
  if (!existsSync(path)) return false;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true });
    database.exec('PRAGMA busy_timeout = 0; SELECT count(*) FROM sqlite_schema');
    return false;
  } catch {
    // Held, or somebody else's.
    return true;
  } finally {
    database?.close();
  }
}
