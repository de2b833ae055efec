import { ArcError } from '../contract/errors.ts';
import { checkCommit, checkList } from './check.ts';
import { Connection, type ConnectionOptions, guard } from './connection.ts';
import { Listeners } from './listeners.ts';
import type { Doc, ListQuery, Store, StoredEvent, Write } from './store.ts';
import { type BatchWriter, WriteThread } from './write-thread.ts';
import { type EncodedWrite, encoded, Writer } from './writer.ts';

export interface SqliteOptions {
  readonly path: string;
  /** ms to wait for another process that holds the database, such as one that is just ending. */
  readonly busyMs?: number;
  /** Bytes the database may grow to; beyond it commits throw disk_full. */
  readonly maxBytes?: number;
  /**
   * Calls back a moment later, `afterThisTurn` of `kit/real.ts`: commits that are asked for until then go to the disk in one
   * write, each still all or nothing. Default: each at once.
   */
  readonly together?: (write: () => void) => void;
  /** Writes in a thread of its own, so that this one never waits for the disk. Default: in this one. */
  readonly thread?: boolean;
}

interface Pending {
  readonly writes: readonly EncodedWrite[];
  readonly resolve: (revisions: readonly number[]) => void;
  readonly reject: (error: unknown) => void;
}

const BUSY_MS = 2_000;
const MAX_BYTES = 8 * 1024 ** 3;

interface Row {
  readonly id: string;
  readonly revision: number;
  readonly value: string;
}

/**
 * The embedded store: one SQLite database, one writer, every commit on the disk before it is answered. Reads are made here
 * and at once; they see what has been committed, whoever wrote it.
 */
export class SqliteStore implements Store {
  readonly #guard: { close(): void };
  readonly #db: Connection;
  readonly #writer: BatchWriter;
  readonly #listeners = new Listeners();
  readonly #together: (write: () => void) => void;
  #pending: Pending[] = [];
  /** A batch is being written; what is asked for meanwhile is the next one. */
  #writing: Promise<void> | undefined;
  #closed = false;
  #closing: Promise<void> | undefined;

  constructor({ path, busyMs = BUSY_MS, maxBytes = MAX_BYTES, together, thread = false }: SqliteOptions) {
    const options: ConnectionOptions = { path, busyMs, maxBytes };
    this.#guard = guard(path, busyMs);
    try {
      this.#db = new Connection(options);
      this.#writer = thread ? new WriteThread(options) : tidying(new Writer(options));
    } catch (error) {
      this.#guard.close();
      throw error;
    }
    this.#together = together ?? ((write) => write());
  }

  async get<T>(kind: string, id: string): Promise<Doc<T> | undefined> {
    const row = this.#db.run(() =>
      this.#db.prepare('SELECT id, revision, value FROM docs WHERE kind = ? AND id = ?').get(kind, id),
    );
    return row && toDoc<T>(kind, row as unknown as Row);
  }

  async list<T>(query: ListQuery): Promise<readonly Doc<T>[]> {
    checkList(query);
    const { joins, where, values } = matching(query);
    const after = query.after === undefined ? '' : ' AND d.id > ?';
    const sql = `SELECT d.id, d.revision, d.value FROM ${joins} WHERE ${where}${after} ORDER BY d.id LIMIT ?`;
    if (query.after !== undefined) values.push(query.after);
    const rows = this.#db.run(() => this.#db.prepare(sql).all(...values, query.limit));
    return rows.map((row) => toDoc<T>(query.kind, row as unknown as Row));
  }

  async count(query: Omit<ListQuery, 'after' | 'limit'>): Promise<number> {
    const { joins, where, values } = matching(query);
    return this.#db.number(`SELECT count(*) AS value FROM ${joins} WHERE ${where}`, ...values);
  }

  async tally(kind: string, name: string): Promise<number> {
    const sql = 'SELECT coalesce(max(amount), 0) AS value FROM sums WHERE kind = ? AND name = ?';
    return this.#db.number(sql, kind, name);
  }

  async commit(writes: readonly Write[]): Promise<readonly number[]> {
    checkCommit(writes);
    if (writes.length === 0) return [];
    return await this.#write(writes.map(encoded));
  }

  async events<T>(afterSeq: number, limit: number): Promise<readonly StoredEvent<T>[]> {
    const rows = this.#db.run(() =>
      this.#db.prepare('SELECT seq, value FROM events WHERE seq > ? ORDER BY seq LIMIT ?').all(afterSeq, limit),
    );
    return rows.map((row) => ({ seq: Number(row.seq), value: JSON.parse(String(row.value)) as T }));
  }

  async eventBounds(): Promise<{ readonly oldest: number; readonly newest: number }> {
    const newest = this.#db.number("SELECT coalesce(max(seq), 0) AS value FROM sqlite_sequence WHERE name = 'events'");
    const oldest = this.#db.number('SELECT coalesce(min(seq), 0) AS value FROM events');
    return { oldest: oldest === 0 ? newest + 1 : oldest, newest };
  }

  onEvents(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  async trimEvents(seq: number): Promise<void> {
    await this.#write([{ op: 'trim', seq }]);
  }

  async records<T>(beforeSeq: number | undefined, limit: number): Promise<readonly StoredEvent<T>[]> {
    const sql = 'SELECT seq, value FROM records WHERE seq < ? ORDER BY seq DESC LIMIT ?';
    const rows = this.#db.run(() => this.#db.prepare(sql).all(beforeSeq ?? Number.MAX_SAFE_INTEGER, limit));
    return rows.map((row) => ({ seq: Number(row.seq), value: JSON.parse(String(row.value)) as T }));
  }

  async trimRecords(keep: number): Promise<void> {
    await this.#write([{ op: 'trim-records', keep }]);
  }

  /** What was asked for before is written before it closes. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed = true;
    do await (this.#writing ?? this.#flush());
    while (this.#pending.length > 0);
    this.#listeners.clear();
    this.#db.close();
    await this.#writer.close();
    this.#guard.close();
  }

  async #write(writes: readonly EncodedWrite[]): Promise<readonly number[]> {
    if (this.#closed) throw new ArcError('unavailable', 'the store is closed');
    const { promise, resolve, reject } = Promise.withResolvers<readonly number[]>();
    this.#pending.push({ writes, resolve, reject });
    if (this.#pending.length === 1 && !this.#writing) this.#together(() => void (this.#writing ?? this.#flush()));
    return await promise;
  }

  /** All that is waiting, in one write; then what came meanwhile. */
  #flush(): Promise<void> {
    const batch = this.#pending;
    this.#pending = [];
    if (batch.length === 0) return Promise.resolve();
    this.#writing = this.#send(batch).finally(() => {
      this.#writing = undefined;
      if (this.#pending.length > 0) void this.#flush();
    });
    return this.#writing;
  }

  async #send(batch: readonly Pending[]): Promise<void> {
    try {
      const outcomes = await this.#writer.write(batch.map(({ writes }) => writes));
      const written = batch.filter((_, index) => outcomes[index]?.error === undefined);
      if (written.some(({ writes }) => writes.some((write) => write.op === 'event'))) this.#listeners.tell();
      for (const [index, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[index];
        if (outcome?.error === undefined) resolve(outcome?.revisions ?? []);
        else reject(outcome.error);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}

/** In this thread there is no moment when nobody waits, so the log is written back after the write that made it long. */
function tidying(writer: Writer): BatchWriter {
  return {
    write: (batch) => {
      const outcomes = writer.write(batch);
      writer.tidy();
      return outcomes;
    },
    close: () => writer.close(),
  };
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
