import type { IdleSpec, TtlPolicy } from '../contract/spec.ts';
import type { Reason, State } from '../contract/states.ts';

/**
 * When and why a sandbox stops: its idle policy and its time to live, decided from what is known at one moment. Time
 * comes in as data; who applies the plan looks again at `lookInMs`, or earlier when something happens.
 */
export interface LifeFacts {
  readonly state: State;
  /** Why it is in that state. */
  readonly reason: Reason;
  readonly idle?: IdleSpec;
  /** ms since it was last used; negative: it is promised that it counts as used until then. */
  readonly quietMs: number;
  /** ms of its time to live that are left; absent: it has none. */
  readonly ttlLeftMs?: number;
  readonly ttl?: TtlPolicy;
}

export type LimitReason = 'hard-limit' | 'ttl';
export type End = 'frozen' | 'stopped' | 'removed';

/** The next thing that will stop it, if nobody does anything about it. */
export interface Stops {
  readonly inMs: number;
  readonly why: LimitReason;
  readonly then: End;
}

export type LifeStep =
  | { readonly do: 'warn'; readonly reason: 'soft-limit' | 'ttl' }
  /** What it was warned of is not near any more. */
  | { readonly do: 'calm' }
  | { readonly do: 'end'; readonly reason: LimitReason; readonly then: End };

export interface LifePlan {
  readonly step?: LifeStep;
  /** When the next step may be due; absent: never by time alone. */
  readonly lookInMs?: number;
  readonly stops?: Stops;
}

/** A busy program is measured so often, at least, where using a processor counts as use. */
const CPU_LOOK_MS_MAX = 60_000;
const CPU_LOOKS_PER_LIMIT = 4;

export function lifePlan(facts: LifeFacts): LifePlan {
  const ends = endsOf(facts);
  const [next] = ends;
  if (!next) return {};
  const { inMs, why: reason, then } = next;
  const warning = warningOf(facts, ends);
  // Being idle stops nobody who has not been warned, however late we look.
  const unwarned = reason === 'hard-limit' && facts.state === 'running' && facts.idle?.softMs !== undefined;
  if (inMs <= 0 && !unwarned) return { step: { do: 'end', reason, then }, stops: next };
  const looks = [...ends.map((end) => end.inMs), ...warningTimes(facts, ends)].filter((ms) => ms > 0);
  const plan = { stops: next, ...(looks.length > 0 ? { lookInMs: Math.min(...looks) } : {}) };
  if (warning !== undefined && !(facts.state === 'warned' && facts.reason === warning)) {
    return { ...plan, step: { do: 'warn', reason: warning } };
  }
  return warning === undefined && facts.state === 'warned' ? { ...plan, step: { do: 'calm' } } : plan;
}

/** All that will stop it, the nearest first. */
function endsOf({ state, idle, quietMs, ttlLeftMs, ttl }: LifeFacts): readonly Stops[] {
  const ends: Stops[] = [];
  const up = state === 'running' || state === 'warned' || state === 'frozen';
  const grace = ttl?.graceMs ?? 0;
  if (ttlLeftMs !== undefined && up)
    ends.push({ inMs: ttlLeftMs, why: 'ttl', then: grace > 0 ? 'stopped' : 'removed' });
  if (ttlLeftMs !== undefined && state === 'stopped')
    ends.push({ inMs: ttlLeftMs + grace, why: 'ttl', then: 'removed' });
  if (idle && (state === 'running' || state === 'warned')) {
    ends.push({ inMs: idle.hardMs - quietMs, why: 'hard-limit', then: idle.then });
  }
  if (idle?.stopMs !== undefined && state === 'frozen') {
    ends.push({ inMs: idle.hardMs + idle.stopMs - quietMs, why: 'hard-limit', then: 'stopped' });
  }
  return ends.sort((a, b) => a.inMs - b.inMs);
}

/** What it should be warned of now: of two things the one that comes first. */
function warningOf({ state, idle, quietMs, ttl }: LifeFacts, ends: readonly Stops[]): 'soft-limit' | 'ttl' | undefined {
  if (state !== 'running' && state !== 'warned') return undefined;
  for (const { why, inMs } of ends) {
    if (why === 'ttl' && ttl?.warningMs !== undefined && inMs <= ttl.warningMs) return 'ttl';
    if (why === 'hard-limit' && idle?.softMs !== undefined && quietMs >= idle.softMs) return 'soft-limit';
  }
  return undefined;
}

function warningTimes({ state, idle, quietMs, ttl }: LifeFacts, ends: readonly Stops[]): readonly number[] {
  if (state !== 'running' && state !== 'warned') return [];
  const ttlLeft = ends.find(({ why }) => why === 'ttl')?.inMs;
  return [
    ...(ttl?.warningMs === undefined || ttlLeft === undefined ? [] : [ttlLeft - ttl.warningMs]),
    ...(idle?.softMs === undefined ? [] : [idle.softMs - quietMs]),
    ...(idle?.cpus === undefined ? [] : [cpuLookMs(idle)]),
  ];
}

/** ms between two measurements of how busy it is. */
export function cpuLookMs({ hardMs, softMs }: IdleSpec): number {
  return Math.min(CPU_LOOK_MS_MAX, Math.ceil((softMs ?? hardMs) / CPU_LOOKS_PER_LIMIT));
}
