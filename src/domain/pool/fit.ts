import type { Limits, ResolvedSpec } from '../../contract/spec.ts';

/** What must still be done to a warm sandbox before it is what a create asks for. */
export interface Fitting {
  /** Only those that differ. */
  readonly limits: LiveLimits;
  /** Variables that commands and terminals get, since the program has started without them. */
  readonly lateEnv: Readonly<Record<string, string>>;
}

/** Limits that can be changed while it runs. */
export type LiveLimits = Partial<Pick<Limits, 'memoryBytes' | 'cpus' | 'pids'>>;

/** Members that a claim may set, whatever the warm one was started with. */
const LATE: ReadonlySet<string> = new Set(['ttlMs', 'ttlPolicy', 'idle', 'limits', 'env', 'pool']);
const LIVE_LIMITS = ['memoryBytes', 'cpus', 'pids'] as const;

/**
 * Can a sandbox that was started as `warm` become what is `wanted`? `undefined`: no, it must be started as asked.
 * Both were made from the same template.
 */
export function fitting(warm: ResolvedSpec, wanted: ResolvedSpec): Fitting | undefined {
  // Its program has started without knowing whose it will be.
  if (warm.flag?.env !== undefined) return undefined;
  const keys = new Set([...Object.keys(warm), ...Object.keys(wanted)]) as Set<keyof ResolvedSpec>;
  for (const key of keys) if (!LATE.has(key) && !same(warm[key], wanted[key])) return undefined;
  const { memoryBytes: _m, cpus: _c, pids: _p, ...fixed } = warm.limits;
  if (!same(fixed, pick(wanted.limits, Object.keys(fixed)))) return undefined;
  const lateEnv = changedEnv(warm.env, wanted.env);
  if (Object.keys(lateEnv).length > 0 && warm.pool?.env !== 'late') return undefined;
  const limits = Object.fromEntries(
    LIVE_LIMITS.filter((key) => warm.limits[key] !== wanted.limits[key]).map((key) => [key, wanted.limits[key]]),
  );
  return { limits, lateEnv };
}

/** A create adds to the template's env or replaces some of it; it never takes one away. */
export function changedEnv(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(after).filter(([key, value]) => before[key] !== value));
}

function pick(from: object, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.map((key) => [key, (from as Record<string, unknown>)[key]]));
}

/** Specs are plain data; a request replaces whole members, so that most that are equal are the same object. */
function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
