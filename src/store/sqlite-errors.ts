import { ArcError } from '../contract/errors.ts';

/** Primary result codes of SQLite, the low byte of its extended ones. */
const BUSY = 5;
const LOCKED = 6;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** What SQLite says, in our words. */
export function sqliteError(error: unknown): ArcError {
  if (error instanceof ArcError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = typeof error === 'object' && error !== null && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  switch (code) {
    case BUSY:
    case LOCKED:
      return new ArcError('data_dir_locked', 'another process holds the database', { cause: error });
    case FULL:
      return new ArcError('disk_full', 'the database can not grow', { cause: error });
    case IOERR:
      // A log that can not be made or grown on a full disk is reported like this.
      return new ArcError('disk_full', `the database can not be written: ${message}`, {
        cause: error,
        hint: 'Free some space in the data folder; if there is enough, look at the disk itself.',
      });
    case CORRUPT:
    case NOTADB:
      return new ArcError('internal', `the database is damaged: ${message}`, { cause: error });
    case CANTOPEN:
      return new ArcError('invalid_config', `the database can not be opened: ${message}`, { cause: error });
    default:
      return new ArcError('internal', `store: ${message}`, { cause: error });
  }
}
