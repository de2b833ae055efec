import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { ArcError } from '../contract/errors.ts';
import {
  ceilingReached,
  changedTallies,
  checkCommit,
  checkList,
  isRefusal,
  revisionConflict,
  spent,
  uniqueConflict,
} from './check.ts';
import { Listeners } from './listeners.ts';
import { MIGRATIONS } from './migrations.ts';
import { sqliteError } from './sqlite-errors.ts';
import type { Doc, ListQuery, Store, StoredEvent, Tallies, Write } from './store.ts';

export interface SqliteOptions {
  readonly path: string;
  /** ms to wait for another process that holds the database, such as one that is just ending. */
  readonly busyMs?: number;
  /** Bytes the database may grow to; beyond it commits throw disk_full. */
  readonly maxBytes?: number;
  /**
   * Calls back a moment later, `afterThisTurn` of `kit/real.ts`: commits that are asked for until then go to the disk in one
   * write, each still all or nothing. Default: each by itself and at once.
   */
  readonly together?: (write: () => void) => void;
}

interface Pending {
  readonly writes: readonly Write[];
  readonly resolve: (revisions: readonly number[]) => void;
  readonly reject: (error: unknown) => void;
}

const BUSY_MS = 2_000;
const MAX_BYTES = 8 * 1024 ** 3;
const PAGE_BYTES = 4096;
/** Pages of the log after which it is written back into the database: 4 MiB. */
const CHECKPOINT_PAGES = 1_000;
/** Different questions whose prepared statements are kept. */
const STATEMENTS_MAX = 64;

interface Row {
  readonly id: string;
  readonly revision: number;
  readonly value: string;
}

/** The embedded store: one SQLite database, one writer, every commit on the disk before it is answered. */
export class SqliteStore implements Store {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #listeners = new Listeners();
  readonly #together: SqliteOptions['together'];
  #pending: Pending[] = [];
  #revision: number;
  #closed = false;

  constructor(options: SqliteOptions) {
    this.#db = open(options);
    this.#together = options.together;
    this.#revision = this.#number("SELECT value FROM counters WHERE name = 'revision'");
  }

  async get<T>(kind: string, id: string): Promise<Doc<T> | undefined> {
    const row = this.#run(() =>
      this.#prepare('SELECT id, revision, value FROM docs WHERE kind = ? AND id = ?').get(kind, id),
    );
    return row && toDoc<T>(kind, row as unknown as Row);
  }

  async list<T>(query: ListQuery): Promise<readonly Doc<T>[]> {
    checkList(query);
    const { joins, where, values } = matching(query);
    const after = query.after === undefined ? '' : ' AND d.id > ?';
    const sql = `SELECT d.id, d.revision, d.value FROM ${joins} WHERE ${where}${after} ORDER BY d.id LIMIT ?`;
    if (query.after !== undefined) values.push(query.after);
    const rows = this.#run(() => this.#prepare(sql).all(...values, query.limit));
    return rows.map((row) => toDoc<T>(query.kind, row as unknown as Row));
  }

  async count(query: Omit<ListQuery, 'after' | 'limit'>): Promise<number> {
    const { joins, where, values } = matching(query);
    return this.#number(`SELECT count(*) AS value FROM ${joins} WHERE ${where}`, ...values);
  }

  async tally(kind: string, name: string): Promise<number> {
    return this.#number('SELECT coalesce(max(amount), 0) AS value FROM sums WHERE kind = ? AND name = ?', kind, name);
  }

  async commit(writes: readonly Write[]): Promise<readonly number[]> {
    checkCommit(writes);
    if (writes.length === 0) return [];
    if (this.#closed) throw new ArcError('unavailable', 'the store is closed');
    if (!this.#together) return this.#commitOne(writes);
    const { promise, resolve, reject } = Promise.withResolvers<readonly number[]>();
    this.#pending.push({ writes, resolve, reject });
    if (this.#pending.length === 1) this.#together(() => this.#flush());
    return await promise;
  }

  #commitOne(writes: readonly Write[]): readonly number[] {
    const revisions = this.#transaction(() => writes.map((write) => this.#apply(write)));
    if (writes.some((write) => write.op === 'event')) this.#listeners.tell();
    return revisions;
  }

  /** Work that throws, or that can not be written, leaves nothing. */
  #transaction<T>(work: () => T): T {
    const before = this.#revision;
    try {
      return this.#run(() => {
        this.#db.exec('BEGIN IMMEDIATE');
        const result = work();
        this.#prepare("UPDATE counters SET value = ? WHERE name = 'revision'").run(this.#revision);
        this.#db.exec('COMMIT');
        return result;
      });
    } catch (error) {
      this.#revision = before;
      // On a full disk SQLite may have rolled back by itself, or not.
      if (!this.#closed && this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** All that is waiting, in one transaction. Where that fails as a whole each is tried by itself. */
  #flush(): void {
    const all = this.#pending;
    this.#pending = [];
    let results: readonly (() => void)[];
    try {
      results = all.length > 1 ? this.#transaction(() => all.map((one) => this.#within(one))) : all.map(this.#alone);
    } catch {
      results = all.map(this.#alone);
    }
    const events = all.length > 1 && all.some(({ writes }) => writes.some((write) => write.op === 'event'));
    if (events) this.#listeners.tell();
    for (const answer of results) answer();
  }

  readonly #alone = ({ writes, resolve, reject }: Pending): (() => void) => {
    try {
      const revisions = this.#commitOne(writes);
      return () => resolve(revisions);
    } catch (error) {
      return () => reject(error);
    }
  };

  /** One of several in a transaction: what it did is undone where it is refused, and the others go on. */
  #within({ writes, resolve, reject }: Pending): () => void {
    const before = this.#revision;
    this.#db.exec('SAVEPOINT one');
    try {
      const revisions = writes.map((write) => this.#apply(write));
      this.#db.exec('RELEASE one');
      return () => resolve(revisions);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#revision = before;
      this.#db.exec('ROLLBACK TO one');
      this.#db.exec('RELEASE one');
      return () => reject(error);
    }
  }

  async events<T>(afterSeq: number, limit: number): Promise<readonly StoredEvent<T>[]> {
    const rows = this.#run(() =>
      this.#prepare('SELECT seq, value FROM events WHERE seq > ? ORDER BY seq LIMIT ?').all(afterSeq, limit),
    );
    return rows.map((row) => ({ seq: Number(row.seq), value: JSON.parse(String(row.value)) as T }));
  }

  async eventBounds(): Promise<{ readonly oldest: number; readonly newest: number }> {
    const newest = this.#number("SELECT coalesce(max(seq), 0) AS value FROM sqlite_sequence WHERE name = 'events'");
    const oldest = this.#number('SELECT coalesce(min(seq), 0) AS value FROM events');
    return { oldest: oldest === 0 ? newest + 1 : oldest, newest };
  }

  onEvents(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  async trimEvents(seq: number): Promise<void> {
    this.#run(() => this.#prepare('DELETE FROM events WHERE seq <= ?').run(seq));
  }

  async records<T>(beforeSeq: number | undefined, limit: number): Promise<readonly StoredEvent<T>[]> {
    const rows = this.#run(() =>
      this.#prepare('SELECT seq, value FROM records WHERE seq < ? ORDER BY seq DESC LIMIT ?').all(
        beforeSeq ?? Number.MAX_SAFE_INTEGER,
        limit,
      ),
    );
    return rows.map((row) => ({ seq: Number(row.seq), value: JSON.parse(String(row.value)) as T }));
  }

  async trimRecords(keep: number): Promise<void> {
    const sql = 'DELETE FROM records WHERE seq <= (SELECT seq FROM records ORDER BY seq DESC LIMIT 1 OFFSET ?)';
    this.#run(() => this.#prepare(sql).run(keep));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    this.#listeners.clear();
    this.#statements.clear();
    this.#db.close();
  }

  /** Gives the document's new revision, or the event's seq. */
  #apply(write: Write): number {
    if (write.op === 'event' || write.op === 'record') {
      const log = write.op === 'event' ? 'events' : 'records';
      const done = this.#prepare(`INSERT INTO ${log} (value) VALUES (?)`).run(JSON.stringify(write.value));
      return Number(done.lastInsertRowid);
    }
    if (write.op === 'spend') return this.#spend(write);
    const { kind, id } = write;
    if (write.ifRevision !== undefined) {
      const row = this.#prepare('SELECT revision FROM docs WHERE kind = ? AND id = ?').get(kind, id);
      if (Number(row?.revision ?? 0) !== write.ifRevision) throw revisionConflict(kind, id);
    }
    this.#prepare('DELETE FROM indexes WHERE kind = ? AND id = ?').run(kind, id);
    this.#prepare('DELETE FROM uniques WHERE kind = ? AND id = ?').run(kind, id);
    this.#revision += 1;
    const wanted = write.op === 'put' ? write : undefined;
    this.#count(kind, id, wanted?.tallies ?? {}, wanted?.ceilings ?? {});
    if (write.op === 'delete') {
      this.#prepare('DELETE FROM docs WHERE kind = ? AND id = ?').run(kind, id);
      return this.#revision;
    }
    this.#prepare('INSERT OR REPLACE INTO docs VALUES (?, ?, ?, ?)').run(
      kind,
      id,
      this.#revision,
      JSON.stringify(write.value),
    );
    const index = this.#prepare('INSERT OR IGNORE INTO indexes VALUES (?, ?, ?, ?)');
    for (const [name, values] of Object.entries(write.indexes ?? {})) {
      for (const value of values) index.run(kind, name, value, id);
    }
    for (const value of write.unique ?? []) this.#hold(kind, value, id);
    return this.#revision;
  }

  #spend({ bucket, spending }: Extract<Write, { op: 'spend' }>): number {
    const row = this.#prepare('SELECT empty_at FROM buckets WHERE name = ?').get(bucket);
    const emptyAt = spent(Number(row?.empty_at ?? 0), bucket, spending);
    this.#prepare('INSERT OR REPLACE INTO buckets VALUES (?, ?)').run(bucket, emptyAt);
    return this.#revision;
  }

  /** Most writes change no sum: then one look is all. */
  #count(kind: string, id: string, after: Tallies, ceilings: Tallies): void {
    const rows = this.#prepare('SELECT name, amount FROM tallies WHERE kind = ? AND id = ?').all(kind, id);
    const before = Object.fromEntries(rows.map(({ name, amount }) => [String(name), Number(amount)]));
    for (const [name, by] of changedTallies(before, after)) {
      const amount = after[name];
      if (amount === undefined) {
        this.#prepare('DELETE FROM tallies WHERE kind = ? AND id = ? AND name = ?').run(kind, id, name);
      } else this.#prepare('INSERT OR REPLACE INTO tallies VALUES (?, ?, ?, ?)').run(kind, id, name, amount);
      const sum = this.#prepare(
        'INSERT INTO sums VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET amount = amount + excluded.amount RETURNING amount',
      ).get(kind, name, by);
      const [used, most] = [Number(sum?.amount), ceilings[name]];
      if (used === 0) this.#prepare('DELETE FROM sums WHERE kind = ? AND name = ?').run(kind, name);
      if (most !== undefined && by > 0 && used > most) throw ceilingReached(name, used, most);
    }
  }

  #hold(kind: string, value: string, id: string): void {
    this.#prepare('INSERT OR IGNORE INTO uniques VALUES (?, ?, ?)').run(kind, value, id);
    const holder = this.#prepare('SELECT id FROM uniques WHERE kind = ? AND value = ?').get(kind, value);
    if (holder?.id !== id) throw uniqueConflict(kind, value);
  }

  #number(sql: string, ...values: string[]): number {
    return Number(this.#run(() => this.#prepare(sql).get(...values))?.value);
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    if (this.#statements.size >= STATEMENTS_MAX) this.#statements.clear();
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #run<T>(work: () => T): T {
    if (this.#closed) throw new ArcError('unavailable', 'the store is closed');
    try {
      return work();
    } catch (error) {
      throw sqliteError(error);
    }
  }
}

/** Documents of a kind for which all conditions hold: the first index leads, the others are asked for each. */
function matching(query: Omit<ListQuery, 'after' | 'limit'>): { joins: string; where: string; values: string[] } {
  const [first, ...others] = query.where ?? [];
  if (!first) return { joins: 'docs d', where: 'd.kind = ?', values: [query.kind] };
  const values = [query.kind, first.index, first.value];
  let where = 'i.kind = ? AND i.name = ? AND i.value = ?';
  for (const other of others) {
    where +=
      ' AND EXISTS (SELECT 1 FROM indexes o WHERE o.kind = i.kind AND o.name = ? AND o.value = ? AND o.id = i.id)';
    values.push(other.index, other.value);
  }
  return { joins: 'indexes i JOIN docs d ON d.kind = i.kind AND d.id = i.id', where, values };
}

function toDoc<T>(kind: string, row: Row): Doc<T> {
  return { kind, id: row.id, revision: row.revision, value: JSON.parse(row.value) as T };
}

function open(options: SqliteOptions): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(options.path, { timeout: options.busyMs ?? BUSY_MS });
    // Exclusive: a second server on the same folder is refused rather than let in between two of our commits.
    db.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA page_size = ${PAGE_BYTES};
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
      PRAGMA max_page_count = ${Math.floor((options.maxBytes ?? MAX_BYTES) / PAGE_BYTES)};
    `);
    migrate(db);
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
