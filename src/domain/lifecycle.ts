import { ArcError } from '../contract/errors.ts';
import type { Reason, State } from '../contract/states.ts';

/**
 * The one table of a sandbox's life. Beyond the picture in DESIGN.md it has the way back to `queued`: a restart, a
 * reset, a wake from `stopped` or a lost node is written as intent first, with the next incarnation, and waits for its
 * turn like a create. A wake that can't be finished now goes back to `stopped`, from where the next request tries again.
 * `warned` follows itself when another limit is nearer than the one it was warned of.
 */
export const TRANSITIONS: Readonly<Record<State, readonly State[]>> = {
  queued: ['starting', 'stopped', 'failed', 'removed'],
  starting: ['running', 'stopped', 'failed', 'removed'],
  running: ['warned', 'frozen', 'stopped', 'queued', 'failed', 'removed'],
  warned: ['running', 'warned', 'frozen', 'stopped', 'queued', 'failed', 'removed'],
  frozen: ['running', 'stopped', 'queued', 'failed', 'removed'],
  stopped: ['queued', 'failed', 'removed'],
  failed: ['queued', 'removed'],
  removed: [],
};

/** Entries of history kept in a row; the oldest go first. */
export const HISTORY_ENTRIES_MAX = 50;
/** Characters of a detail kept in a row. */
export const DETAIL_CHARS_MAX = 2_000;

export interface LifeEntry {
  readonly at: number;
  readonly state: State;
  readonly reason: Reason;
  readonly detail?: string;
}

export interface Lived {
  readonly state: State;
  readonly reason: Reason;
  readonly detail?: string;
  readonly history: readonly LifeEntry[];
}

export function mayFollow(from: State, to: State): boolean {
  return TRANSITIONS[from].includes(to);
}

export function isTerminal(state: State): boolean {
  return TRANSITIONS[state].length === 0;
}

/** Its program is there: running, warned of its end, or frozen. */
export function isUp(state: State): boolean {
  return state === 'running' || state === 'warned' || state === 'frozen';
}

/** On its way to running. */
export function isPending(state: State): boolean {
  return state === 'queued' || state === 'starting';
}

/** The record in its new state. Throws wrong_state for a step that the table does not have. */
export function transition<R extends Lived>(record: R, to: State, reason: Reason, at: number, detail?: string): R {
  if (!mayFollow(record.state, to)) {
    throw new ArcError('wrong_state', `a sandbox that is ${record.state} can not become ${to}`, {
      extra: { state: record.state },
    });
  }
  const { detail: _old, ...rest } = record;
  return { ...rest, ...born(to, reason, at, detail, record.history) } as unknown as R;
}

/** The first entry of a life, or the next one after `history`. */
export function born(
  state: State,
  reason: Reason,
  at: number,
  detail?: string,
  history: readonly LifeEntry[] = [],
): Lived {
  const said = detail === undefined ? {} : { detail: detail.slice(0, DETAIL_CHARS_MAX) };
  const entry: LifeEntry = { at, state, reason, ...said };
  return { state, reason, ...said, history: [...history, entry].slice(-HISTORY_ENTRIES_MAX) };
}
