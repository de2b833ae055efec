import type { ArcError } from '../contract/errors.ts';
import { ceilingReached, changedTallies, isRefusal, revisionConflict, spent, uniqueConflict } from './check.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import type { IndexEntries, Tallies, Write } from './store.ts';

/** A write whose value is text already, so that it costs little to hand to another thread. */
export type EncodedWrite =
  | {
      readonly op: 'put';
      readonly kind: string;
      readonly id: string;
      readonly json: string;
      readonly ifRevision: number | undefined;
      readonly indexes: IndexEntries | undefined;
      readonly unique: readonly string[] | undefined;
      readonly tallies: Tallies | undefined;
      readonly ceilings: Tallies | undefined;
    }
  | { readonly op: 'delete'; readonly kind: string; readonly id: string; readonly ifRevision: number | undefined }
  | { readonly op: 'event'; readonly json: string }
  | { readonly op: 'record'; readonly json: string }
  | Extract<Write, { op: 'spend' }>
  /** Forgets events up to `seq`. */
  | { readonly op: 'trim'; readonly seq: number }
  /** Forgets all records but the newest so many. */
  | { readonly op: 'trim-records'; readonly keep: number };

export type Batch = readonly (readonly EncodedWrite[])[];

/** What became of one commit of a batch. */
export type Outcome =
  | { readonly revisions: readonly number[]; readonly error?: undefined }
  | { readonly error: ArcError };

/** Pages of the log after which it is written back into the database, by a rough count: about 4 MiB. */
const CHECKPOINT_PAGES = 1_000;
/** Pages that a document of ordinary size touches, with its indexes. */
const PAGES_EACH = 4;
const PAGE_CHARS = 4096;

export function encoded(write: Write): EncodedWrite {
  if (write.op === 'event' || write.op === 'record') return { op: write.op, json: JSON.stringify(write.value) };
  if (write.op === 'spend') return write;
  const { kind, id, ifRevision } = write;
  if (write.op === 'delete') return { op: 'delete', kind, id, ifRevision };
  const { indexes, unique, tallies, ceilings } = write;
  return { op: 'put', kind, id, json: JSON.stringify(write.value), ifRevision, indexes, unique, tallies, ceilings };
}

/** Writes batches of commits, each batch with one wait for the disk. */
export class Writer {
  readonly #db: Connection;
  #revision: number;
  #pages = 0;

  constructor(options: ConnectionOptions) {
    this.#db = new Connection(options);
    this.#revision = this.#db.number("SELECT value FROM counters WHERE name = 'revision'");
  }

  /** All in one transaction, each all or nothing. Where that fails as a whole each is tried by itself. */
  write(batch: Batch): readonly Outcome[] {
    if (batch.length === 1) return batch.map((writes) => this.#alone(writes));
    try {
      return this.#transaction(() => batch.map((writes) => this.#within(writes)));
    } catch {
      return batch.map((writes) => this.#alone(writes));
    }
  }

  /** Writes the log back into the database when it has grown long; for a moment when nobody waits. */
  tidy(): void {
    if (this.#pages < CHECKPOINT_PAGES) return;
    this.#pages = 0;
    try {
      this.#db.exec('PRAGMA wal_checkpoint(PASSIVE)');
    } catch {
      // Such as on a full disk. What was committed is in the log, which the next time tries again to write back.
    }
  }

  close(): void {
    this.#db.close();
  }

  #alone(writes: readonly EncodedWrite[]): Outcome {
    try {
      return { revisions: this.#transaction(() => writes.map((write) => this.#apply(write))) };
    } catch (error) {
      return { error: error as ArcError };
    }
  }

  /** Work that throws, or that can not be written, leaves nothing. */
  #transaction<T>(work: () => T): T {
    const before = this.#revision;
    try {
      return this.#db.run(() => {
        this.#db.exec('BEGIN IMMEDIATE');
        const result = work();
        this.#db.prepare("UPDATE counters SET value = ? WHERE name = 'revision'").run(this.#revision);
        this.#db.exec('COMMIT');
        return result;
      });
    } catch (error) {
      this.#revision = before;
      this.#db.undo();
      throw error;
    }
  }

  /** One of several in a transaction: what it did is undone where it is refused, and the others go on. */
  #within(writes: readonly EncodedWrite[]): Outcome {
    const before = this.#revision;
    this.#db.exec('SAVEPOINT one');
    try {
      const revisions = writes.map((write) => this.#apply(write));
      this.#db.exec('RELEASE one');
      return { revisions };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#revision = before;
      this.#db.exec('ROLLBACK TO one');
      this.#db.exec('RELEASE one');
      return { error: error as ArcError };
    }
  }

  /** Gives the document's new revision, or the event's seq. */
  #apply(write: EncodedWrite): number {
    const db = this.#db;
    this.#pages += PAGES_EACH + ('json' in write ? Math.floor(write.json.length / PAGE_CHARS) : 0);
    if (write.op === 'event' || write.op === 'record') {
      const log = write.op === 'event' ? 'events' : 'records';
      return Number(db.prepare(`INSERT INTO ${log} (value) VALUES (?)`).run(write.json).lastInsertRowid);
    }
    if (write.op === 'trim' || write.op === 'trim-records') return this.#trim(write);
    if (write.op === 'spend') return this.#spend(write);
    const { kind, id } = write;
    if (write.ifRevision !== undefined) {
      const row = db.prepare('SELECT revision FROM docs WHERE kind = ? AND id = ?').get(kind, id);
      if (Number(row?.revision ?? 0) !== write.ifRevision) throw revisionConflict(kind, id);
    }
    db.prepare('DELETE FROM indexes WHERE kind = ? AND id = ?').run(kind, id);
    db.prepare('DELETE FROM uniques WHERE kind = ? AND id = ?').run(kind, id);
    this.#revision += 1;
    const wanted = write.op === 'put' ? write : undefined;
    this.#count(kind, id, wanted?.tallies ?? {}, wanted?.ceilings ?? {});
    if (write.op === 'delete') {
      db.prepare('DELETE FROM docs WHERE kind = ? AND id = ?').run(kind, id);
      return this.#revision;
    }
    db.prepare('INSERT OR REPLACE INTO docs VALUES (?, ?, ?, ?)').run(kind, id, this.#revision, write.json);
    const index = db.prepare('INSERT OR IGNORE INTO indexes VALUES (?, ?, ?, ?)');
    for (const [name, values] of Object.entries(write.indexes ?? {})) {
      for (const value of values) index.run(kind, name, value, id);
    }
    for (const value of write.unique ?? []) this.#hold(kind, value, id);
    return this.#revision;
  }

  #trim(write: Extract<EncodedWrite, { op: 'trim' | 'trim-records' }>): number {
    if (write.op === 'trim') this.#db.prepare('DELETE FROM events WHERE seq <= ?').run(write.seq);
    else {
      const sql = 'DELETE FROM records WHERE seq <= (SELECT seq FROM records ORDER BY seq DESC LIMIT 1 OFFSET ?)';
      this.#db.prepare(sql).run(write.keep);
    }
    return this.#revision;
  }

  #spend({ bucket, spending }: Extract<Write, { op: 'spend' }>): number {
    const row = this.#db.prepare('SELECT empty_at FROM buckets WHERE name = ?').get(bucket);
    const emptyAt = spent(Number(row?.empty_at ?? 0), bucket, spending);
    this.#db.prepare('INSERT OR REPLACE INTO buckets VALUES (?, ?)').run(bucket, emptyAt);
    return this.#revision;
  }

  /** Most writes change no sum: then one look is all. */
  #count(kind: string, id: string, after: Tallies, ceilings: Tallies): void {
    const db = this.#db;
    const rows = db.prepare('SELECT name, amount FROM tallies WHERE kind = ? AND id = ?').all(kind, id);
    const before = Object.fromEntries(rows.map(({ name, amount }) => [String(name), Number(amount)]));
    for (const [name, by] of changedTallies(before, after)) {
      const amount = after[name];
      if (amount === undefined) {
        db.prepare('DELETE FROM tallies WHERE kind = ? AND id = ? AND name = ?').run(kind, id, name);
      } else db.prepare('INSERT OR REPLACE INTO tallies VALUES (?, ?, ?, ?)').run(kind, id, name, amount);
      const sum = db
        .prepare(
          'INSERT INTO sums VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET amount = amount + excluded.amount RETURNING amount',
        )
        .get(kind, name, by);
      const [used, most] = [Number(sum?.amount), ceilings[name]];
      if (used === 0) db.prepare('DELETE FROM sums WHERE kind = ? AND name = ?').run(kind, name);
      if (most !== undefined && by > 0 && used > most) throw ceilingReached(name, used, most);
    }
  }

  #hold(kind: string, value: string, id: string): void {
    this.#db.prepare('INSERT OR IGNORE INTO uniques VALUES (?, ?, ?)').run(kind, value, id);
    const holder = this.#db.prepare('SELECT id FROM uniques WHERE kind = ? AND value = ?').get(kind, value);
    if (holder?.id !== id) throw uniqueConflict(kind, value);
  }
}
