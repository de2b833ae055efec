import { ArcError } from '../../contract/errors.ts';
import { formatDuration } from '../../contract/units.ts';
import { expiryForPeople, extended } from '../../domain/deadline.ts';
import { transition } from '../../domain/lifecycle.ts';
import type { Core } from './context.ts';
import { goneError } from './ending.ts';
import type { SandboxRow } from './row.ts';

/** ms by which more time must be more to be worth saying. */
const WORTH_MS = 1_000;

/** Its time to live is over, and it is kept for somebody who gives it more. */
export function inGrace(row: SandboxRow): boolean {
  return row.state === 'stopped' && row.reason === 'ttl';
}

/** The row with at least so much time left, as far as its template allows. Throws life_too_long where that is none at all. */
export function extendedRow({ clock, time }: Core, row: SandboxRow, ms: number): SandboxRow {
  if (row.state === 'removed') throw goneError(row);
  if (row.state === 'failed') {
    throw new ArcError('wrong_state', `${row.id} has failed`, { extra: { state: row.state } });
  }
  const now = clock.now();
  const calmed = row.state === 'warned' ? transition(row, 'running', 'extend', now) : row;
  if (!row.deadline) return calmed;
  const had = time.left(row.deadline);
  const most = row.latest ? time.left(row.latest) : Number.POSITIVE_INFINITY;
  const left = Math.max(had, Math.min(extended(had, ms), most));
  if (left - had < WORTH_MS && ms > had + WORTH_MS) {
    const limit = formatDuration(row.spec.ttlPolicy?.maxMs ?? 0);
    throw new ArcError('life_too_long', `${row.id} can not live longer than ${limit} from its first start`);
  }
  return { ...calmed, deadline: time.in(left), expiresAt: expiryForPeople(undefined, left, now) };
}
