import { ArcError } from '../../contract/errors.ts';
import { isUp, transition } from '../../domain/lifecycle.ts';
import type { Core } from './context.ts';
import type { Ending } from './ending.ts';
import { routeOf, type SandboxRow, type Versioned } from './row.ts';

const DETAIL = 'what ran of it was gone, as after a restart of the machine';

/** It should run and nothing of it does. Made again from its template, or marked so; `true`: it waits for a start. The caller holds the lane. */
export async function nodeLost(
  core: Core,
  ending: Ending,
  found: Versioned,
  what: 'recreate' | 'node-lost',
): Promise<boolean> {
  // Its address may be somebody else's already: the route goes before anything that may fail.
  await core.router.withdraw(routeOf(found.row));
  if (what === 'node-lost') {
    const error = new ArcError('start_failed', DETAIL);
    await ending.fail(found, { reason: 'node-lost', detail: DETAIL }, error);
    return false;
  }
  const { row } = await core.rows.change(found, (newest) =>
    isUp(newest.state) ? nextLife(newest, 'node-lost', core.clock.now(), true, DETAIL) : newest,
  );
  await core.router.set(routeOf(row));
  return true;
}

/** The row that asks for the next incarnation. Written before anything of the earlier one is touched. */
export function nextLife(
  row: SandboxRow,
  reason: 'restart' | 'reset' | 'node-lost' | 'wake' | 'extend',
  at: number,
  fresh: boolean,
  detail?: string,
): SandboxRow {
  const {
    placement: _gone,
    exit: _exit,
    failure: _failure,
    keepUntil: _keep,
    parked,
    ...rest
  } = transition(row, 'queued', reason, at, detail);
  // What is woken goes back to sleep if it can't be started now.
  const asleep = reason === 'wake' && parked ? { parked } : {};
  return { ...rest, ...asleep, incarnation: row.incarnation + 1, fresh };
}
