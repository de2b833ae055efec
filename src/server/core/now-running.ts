import type { Reason } from '../../contract/states.ts';
import { expiryForPeople } from '../../domain/deadline.ts';
import { transition } from '../../domain/lifecycle.ts';
import type { Core } from './context.ts';
import type { SandboxRow } from './row.ts';

/** The row of a sandbox that has come up. Its time to live begins with its first life and goes on in later ones. */
export function nowRunning({ clock, time }: Core, row: SandboxRow, reason: Reason): SandboxRow {
  const now = clock.now();
  const { parked: _awake, ...started } = transition(row, 'running', reason, now);
  const most = row.spec.ttlPolicy?.maxMs;
  const next: SandboxRow = {
    ...started,
    fresh: false,
    startedAt: now,
    ...(most !== undefined && !row.latest ? { latest: time.in(most) } : {}),
  };
  if (!row.deadline) return next;
  const left = time.left(row.deadline);
  // It may have been extended while it waited.
  const ms = row.startedAt === undefined ? Math.max(left, row.spec.ttlMs ?? left) : left;
  return { ...next, deadline: time.in(ms), expiresAt: expiryForPeople(undefined, ms, now) };
}
