import { type LifePlan, lifePlan } from '../../domain/life-plan.ts';
import type { Core } from './context.ts';
import type { SandboxRow } from './row.ts';

/** When and why it stops, as far as is known now. */
export function lifeOf({ activity, time }: Pick<Core, 'activity' | 'time'>, row: SandboxRow): LifePlan {
  const { state, reason, spec, deadline } = row;
  return lifePlan({
    state,
    reason,
    quietMs: activity.quiet(row.id),
    ...(spec.idle ? { idle: spec.idle } : {}),
    ...(spec.ttlPolicy ? { ttl: spec.ttlPolicy } : {}),
    ...(deadline ? { ttlLeftMs: time.left(deadline) } : {}),
  });
}

/** What pressure makes of it; undefined: it is let be. */
export function pressedTo({ state, spec }: Pick<SandboxRow, 'state' | 'spec'>): 'frozen' | 'stopped' | undefined {
  const { idle } = spec;
  if (!idle || idle.then === 'removed') return undefined;
  if (state === 'running' || state === 'warned') return idle.then;
  return state === 'frozen' && idle.stopMs !== undefined ? 'stopped' : undefined;
}
