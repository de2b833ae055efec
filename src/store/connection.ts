import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { ArcError } from '../contract/errors.ts';
import { privateFile } from '../kit/private-file.ts';
import { MIGRATIONS } from './migrations.ts';
import { sqliteError } from './sqlite-errors.ts';

const PAGE_BYTES = 4096;
/** Different questions whose prepared statements are kept. */
const STATEMENTS_MAX = 64;

export interface ConnectionOptions {
  readonly path: string;
  /** ms to wait for another process that holds the database, such as one that is just ending. */
  readonly busyMs: number;
  /** Bytes the database may grow to. */
  readonly maxBytes: number;
}

/** One connection to the database, and its prepared statements. What SQLite says comes out as ours. */
export class Connection {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #closed = false;

  constructor({ path, busyMs, maxBytes }: ConnectionOptions) {
    this.#db = opened(path, busyMs, (db) => {
      // The log is written back into the database by whoever writes, when nobody waits for it.
      db.exec(`
        PRAGMA page_size = ${PAGE_BYTES};
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA wal_autocheckpoint = 0;
        PRAGMA max_page_count = ${Math.floor(maxBytes / PAGE_BYTES)};
      `);
      migrate(db);
    });
  }

  run<T>(work: () => T): T {
    if (this.#closed) throw new ArcError('unavailable', 'the store is closed');
    try {
      return work();
    } catch (error) {
      throw sqliteError(error);
    }
  }

  exec(sql: string): void {
    this.#db.exec(sql);
  }

  /** Whatever has not been committed is undone. */
  undo(): void {
    // On a full disk SQLite may have rolled back by itself, or not.
    if (!this.#closed && this.#db.isTransaction) this.#db.exec('ROLLBACK');
  }

  prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    if (this.#statements.size >= STATEMENTS_MAX) this.#statements.clear();
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  number(sql: string, ...values: string[]): number {
    return Number(this.run(() => this.prepare(sql).get(...values))?.value);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#statements.clear();
    this.#db.close();
  }
}

/**
 * One store at a time has the database, in however many connections: a second server on the same folder is refused rather
 * than let in between two commits. The lock is on an empty database beside it, and the kernel lets it go with the process.
 */
export function guard(path: string, busyMs: number): { close(): void } {
  return opened(`${path}-guard`, busyMs, (db) => db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;'));
}

function opened(path: string, busyMs: number, prepare: (db: DatabaseSync) => void): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    // What SQLite puts beside it (the log, the index of the log) gets the same permissions.
    db = new DatabaseSync(privateFile(path), { timeout: busyMs });
    prepare(db);
    return db;
  } catch (error) {
    db?.close();
    throw sqliteError(error);
  }
}

function migrate(db: DatabaseSync): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    db.exec('CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY)');
    const seen = Number(db.prepare('SELECT coalesce(max(version), 0) AS value FROM migrations').get()?.value);
    if (seen > MIGRATIONS.length) {
      throw new ArcError(
        'host_unfit',
        `the database is of a newer Arc (schema ${seen}; this one knows ${MIGRATIONS.length})`,
      );
    }
    for (const [step, sql] of MIGRATIONS.entries()) {
      if (step < seen) continue;
      db.exec(sql);
      db.prepare('INSERT INTO migrations VALUES (?)').run(step + 1);
    }
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}
