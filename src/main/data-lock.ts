import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ArcError } from '../contract/errors.ts';

/**
 * One server for each data folder. Node has no `flock`; SQLite holds a real file lock that the kernel lets go when the
 * process dies, however it dies, so there is never a stale lock to clear.
 */
export function lockDataDir(dataDir: string): Disposable {
  const database = new DatabaseSync(join(dataDir, 'lock.db'));
  try {
    database.exec('PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;');
  } catch (cause) {
    database.close();
    throw new ArcError('data_dir_locked', `another server uses ${dataDir}`, { cause });
  }
  return { [Symbol.dispose]: () => database.close() };
}
