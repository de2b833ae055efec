import type { Spending } from '../domain/rate.ts';

/**
 * The Store port: what is true. Documents by kind and id with a revision each, one atomic batch of writes, an
 * append-only feed of changes. Embedded default: SQLite. Every implementation passes `testing/conformance/store.ts`.
 *
 * Left out on purpose: queries beyond equality on a declared index, joins, and any knowledge of what a document means.
 */

/** Indexes a document declares; values are what `list` can ask for. */
export type IndexEntries = Readonly<Record<string, readonly string[]>>;

export type Tallies = Readonly<Record<string, number>>;

export interface Doc<T = unknown> {
  readonly kind: string;
  readonly id: string;
  /** Grows with every write of any document in the store. */
  readonly revision: number;
  readonly value: T;
}

export type Write =
  /** `ifRevision` 0: must not exist yet. Omitted: whatever it is. */
  | {
      readonly op: 'put';
      readonly kind: string;
      readonly id: string;
      readonly value: unknown;
      readonly ifRevision?: number;
      readonly indexes?: IndexEntries;
      /** At most one document of this kind may hold each of these, such as `slot:17`. */
      readonly unique?: readonly string[];
      /** What it adds to sums over all documents of this kind, whole numbers, such as `running/ada: 1`. */
      readonly tallies?: Tallies;
      /** Refused where this very write raises one of its sums beyond so much. */
      readonly ceilings?: Tallies;
    }
  | { readonly op: 'delete'; readonly kind: string; readonly id: string; readonly ifRevision?: number }
  /** Appends to the feed that `events` and `watch` read. */
  | { readonly op: 'event'; readonly value: unknown }
  /** Appends to the record of who did what, which nothing but `trimRecords` takes from. */
  | { readonly op: 'record'; readonly value: unknown }
  /** Fills a bucket of `domain/rate.ts`. */
  | { readonly op: 'spend'; readonly bucket: string; readonly spending: Spending };

export interface StoredEvent<T = unknown> {
  /** Grows by at least one with each event; what a reader resumes from. */
  readonly seq: number;
  readonly value: T;
}

export interface ListQuery {
  readonly kind: string;
  /** All of these must hold. */
  readonly where?: readonly { readonly index: string; readonly value: string }[];
  /** Documents with an id after this one, in the order of ids. */
  readonly after?: string;
  /** 1–1,000. */
  readonly limit: number;
}

export interface Store {
  get<T>(kind: string, id: string): Promise<Doc<T> | undefined>;
  list<T>(query: ListQuery): Promise<readonly Doc<T>[]>;
  count(query: Omit<ListQuery, 'after' | 'limit'>): Promise<number>;
  /** The sum of what all documents of a kind add under this name; however many they are, one look. */
  tally(kind: string, name: string): Promise<number>;
  /**
   * All or nothing. Throws ArcError `conflict` when a revision or a unique value does not match, `quota_exceeded` with the
   * name of the sum as `tally`, `rate_limited` with `bucket` and `retryAfterMs`. Gives the new revisions in order.
   */
  commit(writes: readonly Write[]): Promise<readonly number[]>;
  /** Events after `seq`, at most `limit`. */
  events<T>(afterSeq: number, limit: number): Promise<readonly StoredEvent<T>[]>;
  /** The newest event's seq, and the oldest that is still kept. */
  eventBounds(): Promise<{ readonly oldest: number; readonly newest: number }>;
  /** Called after each commit that appended events. Gives the function that ends it. */
  onEvents(listener: () => void): () => void;
  /** Forgets events up to `seq`, inclusive. */
  trimEvents(seq: number): Promise<void>;
  /** The newest first, before `beforeSeq` where one is named. */
  records<T>(beforeSeq: number | undefined, limit: number): Promise<readonly StoredEvent<T>[]>;
  /** Forgets all but the newest so many. */
  trimRecords(keep: number): Promise<void>;
  close(): Promise<void>;
}
