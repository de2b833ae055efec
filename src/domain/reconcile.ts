import type { Exit } from '../contract/spec.ts';
import type { State } from '../contract/states.ts';
import { isPending, isUp } from './lifecycle.ts';

/**
 * What is written against what is there. Gives a plan; others carry it out, each step after reading the row again.
 * The rows must have been read before the engine was asked: a resource whose row is missing then is either an
 * orphan or younger than the rows, and reading the row again tells which.
 */
export interface RowFacts {
  readonly id: string;
  readonly incarnation: number;
  readonly state: State;
  readonly createdAt: number;
  /** Of its row: tells which of two that were created in the same millisecond was first. */
  readonly revision: number;
  readonly owner: string;
  /** When its latest start began. */
  readonly begunAt?: number;
  readonly ready: 'none' | 'checked';
  readonly afterReboot: 'recreate' | 'fail';
  readonly placement?: PlacementFacts;
}

export interface PlacementFacts {
  readonly node: string;
  readonly address: string;
  readonly runtime: string;
}

export type HeldFacts =
  | {
      readonly id: string;
      readonly incarnation: number;
      readonly phase: 'running';
      readonly placement: PlacementFacts;
      readonly frozen?: true;
    }
  | { readonly id: string; readonly incarnation: number; readonly phase: 'exited'; readonly exit: Exit }
  | { readonly id: string; readonly incarnation: number; readonly phase: 'partial' };

interface Step {
  readonly id: string;
  readonly incarnation: number;
}

export type PlanStep = Step &
  (
    | { readonly do: 'adopt'; readonly placement: PlacementFacts; readonly moved: boolean }
    /** Half-parked, or half-woken. */
    | { readonly do: 'freeze' | 'thaw' }
    /** It ended while nobody looked. */
    | { readonly do: 'exit'; readonly exit: Exit }
    /** It was up and nothing of it runs any more. */
    | { readonly do: 'recreate' | 'node-lost' }
    /** Half-way; `partial`: remains of this incarnation are there. */
    | { readonly do: 'finish-start'; readonly partial: boolean; readonly owner: string }
    | { readonly do: 'stop' }
    | { readonly do: 'destroy' }
  );

export function reconcile(rows: readonly RowFacts[], held: readonly HeldFacts[]): readonly PlanStep[] {
  const byId = new Map<string, HeldFacts[]>();
  for (const thing of held) byId.set(thing.id, [...(byId.get(thing.id) ?? []), thing]);
  const plan: PlanStep[] = [];
  const known = new Set<string>();
  const pending: RowFacts[] = [];
  for (const row of rows) {
    known.add(row.id);
    const things = byId.get(row.id) ?? [];
    const current = things.find((thing) => thing.incarnation === row.incarnation);
    if (isUp(row.state)) plan.push(...upSteps(row, current));
    else if (isPending(row.state)) pending.push(row);
    else plan.push(...restSteps(row, things));
  }
  for (const row of inTurn(pending, rows)) {
    const current = byId.get(row.id)?.find((thing) => thing.incarnation === row.incarnation);
    plan.push(pendingStep(row, current));
  }
  for (const thing of held) {
    if (!known.has(thing.id)) plan.push({ do: 'destroy', id: thing.id, incarnation: thing.incarnation });
  }
  return plan;
}

/**
 * Those that wait, in the order in which they were asked for, and owners in the order of their turns: an owner's turn comes
 * after all that were waiting when it had its last one, or when the first that now waits was asked for.
 */
function inTurn(pending: readonly RowFacts[], rows: readonly RowFacts[]): readonly RowFacts[] {
  const turns = new Map<string, number>();
  for (const { owner, createdAt } of pending) turns.set(owner, Math.min(createdAt, turns.get(owner) ?? createdAt));
  for (const { owner, begunAt = 0 } of rows) {
    const turn = turns.get(owner);
    if (turn !== undefined && begunAt > turn) turns.set(owner, begunAt);
  }
  const turnOf = (row: RowFacts) => turns.get(row.owner) ?? 0;
  // Of one owner's those whose start had begun come before those that waited for it.
  const begun = (row: RowFacts) => (row.state === 'starting' ? 0 : 1);
  return pending.toSorted(
    (a, b) => turnOf(a) - turnOf(b) || begun(a) - begun(b) || a.createdAt - b.createdAt || a.revision - b.revision,
  );
}

function upSteps(row: RowFacts, current: HeldFacts | undefined): readonly PlanStep[] {
  const step = { id: row.id, incarnation: row.incarnation };
  if (current?.phase === 'running') {
    const moved = row.placement?.address !== current.placement.address || row.placement.node !== current.placement.node;
    const adopt: PlanStep = { ...step, do: 'adopt', placement: current.placement, moved };
    const frozen = current.frozen === true;
    if (frozen === (row.state === 'frozen')) return [adopt];
    return [adopt, { ...step, do: frozen ? 'thaw' : 'freeze' }];
  }
  if (current?.phase === 'exited') return [{ ...step, do: 'exit', exit: current.exit }];
  return [{ ...step, do: row.afterReboot === 'recreate' ? 'recreate' : 'node-lost' }];
}

function pendingStep(row: RowFacts, current: HeldFacts | undefined): PlanStep {
  const step = { id: row.id, incarnation: row.incarnation };
  if (row.state === 'starting' && current?.phase === 'exited') return { ...step, do: 'exit', exit: current.exit };
  return {
    ...step,
    owner: row.owner,
    do: 'finish-start',
    partial: current !== undefined && current.phase !== 'running',
  };
}

/** Stopped keeps its layer and its logs, but nothing of it runs; failed and removed have nothing at all. */
function restSteps(row: RowFacts, things: readonly HeldFacts[]): PlanStep[] {
  if (row.state !== 'stopped') return things.map(({ id, incarnation }) => ({ do: 'destroy', id, incarnation }));
  return things
    .filter((thing) => thing.phase === 'running')
    .map(({ id, incarnation }) => ({ do: 'stop', id, incarnation }));
}
