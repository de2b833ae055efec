import { ArcError } from '../contract/errors.ts';
import {
  ceilingReached,
  changedTallies,
  checkCommit,
  checkList,
  revisionConflict,
  spent,
  uniqueConflict,
} from './check.ts';
import { Listeners } from './listeners.ts';
import type { Doc, IndexEntries, ListQuery, Store, StoredEvent, Tallies, Write } from './store.ts';

interface Held {
  readonly revision: number;
  readonly json: string;
  readonly indexes: IndexEntries;
  readonly unique: readonly string[];
  readonly tallies: Tallies;
}

/** How a commit goes wrong: `before` nothing was written, `after` all was and only the answer was lost. */
export interface CommitFault {
  readonly when: 'before' | 'after';
  readonly error: Error;
}

export interface MemoryOptions {
  /** Asked at each commit. For simulations; the default never fails. */
  readonly fault?: (writes: readonly Write[]) => CommitFault | undefined;
}

/** A store in memory, for simulations and tests. Values go through JSON as they do on a disk. */
export class MemoryStore implements Store {
  readonly #kinds = new Map<string, Map<string, Held>>();
  readonly #found = new Map<string, Set<string>>();
  readonly #holders = new Map<string, string>();
  readonly #sums = new Map<string, number>();
  readonly #buckets = new Map<string, number>();
  readonly #listeners = new Listeners();
  readonly #fault: NonNullable<MemoryOptions['fault']>;
  #events: { readonly seq: number; readonly json: string }[] = [];
  #records: { readonly seq: number; readonly json: string }[] = [];
  #recorded = 0;
  #revision = 0;
  #seq = 0;
  #closed = false;

  constructor(options: MemoryOptions = {}) {
    this.#fault = options.fault ?? (() => undefined);
  }

  async get<T>(kind: string, id: string): Promise<Doc<T> | undefined> {
    this.#check();
    const held = this.#kinds.get(kind)?.get(id);
    return held && toDoc<T>(kind, id, held);
  }

  async list<T>(query: ListQuery): Promise<readonly Doc<T>[]> {
    this.#check();
    checkList(query);
    const { after } = query;
    const ids = this.#matching(query).filter((id) => after === undefined || id > after);
    ids.sort();
    return ids.slice(0, query.limit).flatMap((id) => {
      const held = this.#kinds.get(query.kind)?.get(id);
      return held ? [toDoc<T>(query.kind, id, held)] : [];
    });
  }

  async count(query: Omit<ListQuery, 'after' | 'limit'>): Promise<number> {
    this.#check();
    return this.#matching(query).length;
  }

  async tally(kind: string, name: string): Promise<number> {
    this.#check();
    return this.#sums.get(`${kind}\0${name}`) ?? 0;
  }

  async commit(writes: readonly Write[]): Promise<readonly number[]> {
    this.#check();
    checkCommit(writes);
    const fault = this.#fault(writes);
    if (fault?.when === 'before') throw fault.error;
    const undo: (() => void)[] = [];
    const before = { revision: this.#revision, seq: this.#seq, events: this.#events.length };
    const revisions: number[] = [];
    try {
      for (const write of writes) revisions.push(this.#apply(write, undo));
    } catch (error) {
      for (const step of undo.reverse()) step();
      this.#revision = before.revision;
      this.#seq = before.seq;
      this.#events.length = before.events;
      throw error;
    }
    if (this.#seq > before.seq) this.#listeners.tell();
    if (fault) throw fault.error;
    return revisions;
  }

  async events<T>(afterSeq: number, limit: number): Promise<readonly StoredEvent<T>[]> {
    this.#check();
    const first = this.#events[0];
    if (!first) return [];
    const start = Math.max(0, afterSeq + 1 - first.seq);
    return this.#events.slice(start, start + limit).map(({ seq, json }) => ({ seq, value: JSON.parse(json) as T }));
  }

  async eventBounds(): Promise<{ readonly oldest: number; readonly newest: number }> {
    this.#check();
    return { oldest: this.#events[0]?.seq ?? this.#seq + 1, newest: this.#seq };
  }

  onEvents(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  async trimEvents(seq: number): Promise<void> {
    this.#check();
    this.#events = this.#events.filter((event) => event.seq > seq);
  }

  async records<T>(beforeSeq: number | undefined, limit: number): Promise<readonly StoredEvent<T>[]> {
    this.#check();
    const before = beforeSeq ?? Number.MAX_SAFE_INTEGER;
    const kept = this.#records.filter(({ seq }) => seq < before).reverse();
    return kept.slice(0, limit).map(({ seq, json }) => ({ seq, value: JSON.parse(json) as T }));
  }

  async trimRecords(keep: number): Promise<void> {
    this.#check();
    this.#records = keep === 0 ? [] : this.#records.slice(-keep);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
  }

  #apply(write: Write, undo: (() => void)[]): number {
    if (write.op === 'event') {
      this.#seq += 1;
      this.#events.push({ seq: this.#seq, json: JSON.stringify(write.value) });
      return this.#seq;
    }
    if (write.op === 'record') {
      this.#recorded += 1;
      this.#records.push({ seq: this.#recorded, json: JSON.stringify(write.value) });
      undo.push(() => this.#records.pop());
      return this.#recorded;
    }
    if (write.op === 'spend') return this.#spend(write, undo);
    const { kind, id } = write;
    const before = this.#kinds.get(kind)?.get(id);
    if (write.ifRevision !== undefined && (before?.revision ?? 0) !== write.ifRevision)
      throw revisionConflict(kind, id);
    if (write.op === 'put') {
      for (const value of write.unique ?? []) {
        const holder = this.#holders.get(`${kind}\0${value}`);
        if (holder !== undefined && holder !== id) throw uniqueConflict(kind, value);
      }
      this.#refuseBeyond(kind, before?.tallies ?? {}, write.tallies ?? {}, write.ceilings ?? {});
    }
    this.#revision += 1;
    const after =
      write.op === 'delete'
        ? undefined
        : {
            revision: this.#revision,
            json: JSON.stringify(write.value),
            indexes: structuredClone(write.indexes ?? {}),
            unique: [...(write.unique ?? [])],
            tallies: { ...write.tallies },
          };
    this.#replace(kind, id, before, after);
    undo.push(() => this.#replace(kind, id, after, before));
    return this.#revision;
  }

  #spend({ bucket, spending }: Extract<Write, { op: 'spend' }>, undo: (() => void)[]): number {
    const before = this.#buckets.get(bucket) ?? 0;
    this.#buckets.set(bucket, spent(before, bucket, spending));
    undo.push(() => this.#buckets.set(bucket, before));
    return this.#revision;
  }

  #refuseBeyond(kind: string, before: Tallies, after: Tallies, ceilings: Tallies): void {
    for (const [name, by] of changedTallies(before, after)) {
      const used = (this.#sums.get(`${kind}\0${name}`) ?? 0) + by;
      const most = ceilings[name];
      if (most !== undefined && by > 0 && used > most) throw ceilingReached(name, used, most);
    }
  }

  #replace(kind: string, id: string, before: Held | undefined, after: Held | undefined): void {
    const docs = this.#kinds.get(kind) ?? new Map<string, Held>();
    this.#kinds.set(kind, docs);
    for (const key of indexKeys(kind, before)) this.#found.get(key)?.delete(id);
    for (const value of before?.unique ?? []) this.#holders.delete(`${kind}\0${value}`);
    for (const [name, by] of changedTallies(before?.tallies ?? {}, after?.tallies ?? {})) {
      const sum = (this.#sums.get(`${kind}\0${name}`) ?? 0) + by;
      if (sum === 0) this.#sums.delete(`${kind}\0${name}`);
      else this.#sums.set(`${kind}\0${name}`, sum);
    }
    if (!after) {
      docs.delete(id);
      return;
    }
    docs.set(id, after);
    for (const key of indexKeys(kind, after)) this.#found.set(key, (this.#found.get(key) ?? new Set()).add(id));
    for (const value of after.unique) this.#holders.set(`${kind}\0${value}`, id);
  }

  #matching(query: Omit<ListQuery, 'after' | 'limit'>): string[] {
    const [first, ...others] = (query.where ?? []).map(({ index, value }) =>
      this.#found.get(`${query.kind}\0${index}\0${value}`),
    );
    if (query.where === undefined || query.where.length === 0) return [...(this.#kinds.get(query.kind)?.keys() ?? [])];
    return [...(first ?? [])].filter((id) => others.every((other) => other?.has(id)));
  }

  #check(): void {
    if (this.#closed) throw new ArcError('unavailable', 'the store is closed');
  }
}

function indexKeys(kind: string, held: Held | undefined): string[] {
  return Object.entries(held?.indexes ?? {}).flatMap(([name, values]) =>
    values.map((value) => `${kind}\0${name}\0${value}`),
  );
}

function toDoc<T>(kind: string, id: string, held: Held): Doc<T> {
  return { kind, id, revision: held.revision, value: JSON.parse(held.json) as T };
}
