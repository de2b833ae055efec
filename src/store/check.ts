import { ArcError, type ErrorCode } from '../contract/errors.ts';
import { type Spending, spend } from '../domain/rate.ts';
import type { ListQuery, Tallies, Write } from './store.ts';

/** Documents given in one list. */
export const LIST_MAX = 1_000;
/** Writes in one commit. */
export const COMMIT_WRITES_MAX = 10_000;

/** The bounds that every store keeps to; a caller that breaks them has a bug. */
export function checkList(query: ListQuery): void {
  if (!Number.isInteger(query.limit) || query.limit < 1 || query.limit > LIST_MAX) {
    throw new ArcError('internal', `store: a list of ${query.limit} documents was asked for; 1 to ${LIST_MAX} can be`);
  }
}

export function checkCommit(writes: readonly Write[]): void {
  if (writes.length > COMMIT_WRITES_MAX) {
    throw new ArcError('internal', `store: ${writes.length} writes in one commit; at most ${COMMIT_WRITES_MAX} can be`);
  }
}

export function revisionConflict(kind: string, id: string): ArcError {
  return new ArcError('conflict', `${kind} ${id} changed meanwhile`);
}

export function uniqueConflict(kind: string, value: string): ArcError {
  return new ArcError('conflict', `another ${kind} holds ${value} already`);
}

/** A refusal that is the caller's to hear; the other commits of the same write go on. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ArcError && REFUSALS.has(error.code);
}

const REFUSALS: ReadonlySet<string> = new Set<ErrorCode>(['conflict', 'quota_exceeded', 'rate_limited']);

export function ceilingReached(tally: string, used: number, most: number): ArcError {
  return new ArcError('quota_exceeded', `${tally} would come to ${used}, and ${most} is the most`, {
    extra: { tally, used, most },
  });
}

/** The state of the bucket after it. Throws rate_limited. */
export function spent(emptyAt: number, bucket: string, spending: Spending): number {
  const result = spend(emptyAt, spending);
  if (result.ok) return result.emptyAt;
  const { retryMs } = result;
  throw new ArcError('rate_limited', `${bucket} is full`, { extra: { bucket, retryAfterMs: retryMs } });
}

/** What this write changes of each sum, and the sums that it may not raise any further. */
export function changedTallies(before: Tallies, after: Tallies): readonly (readonly [name: string, by: number])[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names]
    .map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)] as const)
    .filter(([, by]) => by !== 0);
}
