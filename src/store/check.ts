import { ArcError } from '../contract/errors.ts';
import type { ListQuery, Write } from './store.ts';

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
