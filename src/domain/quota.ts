import { ArcError } from '../contract/errors.ts';
import type { ResolvedSpec } from '../contract/spec.ts';
import type { State } from '../contract/states.ts';
import { evenly, type Spending } from './rate.ts';

/** What one owner may have at most; a member that is not there is no limit. */
export interface Quota {
  /** Sandboxes that run, wait for their start or are frozen. Those that are stopped don't count. */
  readonly running?: number;
  /** All of them, but those that failed. */
  readonly total?: number;
  /** Of memory limits, of those that `running` counts. */
  readonly memoryBytes?: number;
  readonly createdPerMinute?: number;
  /** Asking again for a template gives the sandbox that is there. */
  readonly onePerTemplate?: boolean;
}

/** What is set for one owner: `none` takes a limit of the defaults away. */
export type OwnQuota = { readonly [Key in keyof Quota]?: Quota[Key] | 'none' };

/** Whoever operates the machine has its own owner; the defaults are for the others. */
export const OPERATOR = 'admin';

const MINUTE_MS = 60_000;

export function quotaOf(owner: string, defaults: Quota, own: OwnQuota = {}): Quota {
  const all: OwnQuota = { ...(owner === OPERATOR ? {} : defaults), ...own };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== 'none')) as Quota;
}

interface Counted {
  readonly owner: string;
  readonly state: State;
  readonly spec: Pick<ResolvedSpec, 'limits'>;
}

export const tallyNames = (owner: string) => ({
  running: `running/${owner}`,
  total: `total/${owner}`,
  memoryBytes: `memory/${owner}`,
});

/** What a sandbox adds to the sums of its owner. */
export function talliesOf({ owner, state, spec }: Counted): Readonly<Record<string, number>> {
  if (state === 'removed' || state === 'failed') return {};
  const names = tallyNames(owner);
  if (state === 'stopped') return { [names.total]: 1 };
  return { [names.total]: 1, [names.running]: 1, [names.memoryBytes]: spec.limits.memoryBytes };
}

export function ceilingsOf(owner: string, quota: Quota): Readonly<Record<string, number>> {
  const names = tallyNames(owner);
  const ceilings: Record<string, number> = {};
  for (const member of ['running', 'total', 'memoryBytes'] as const) {
    const most = quota[member];
    if (most !== undefined) ceilings[names[member]] = most;
  }
  return ceilings;
}

/** The bucket that a create fills, where its owner has a limit on how often. */
export function creation(
  owner: string,
  { createdPerMinute }: Quota,
  now: number,
): { readonly bucket: string; readonly spending: Spending } | undefined {
  if (createdPerMinute === undefined) return undefined;
  // None at all is a bucket that holds nothing.
  const spending = createdPerMinute === 0 ? { cost: MINUTE_MS, most: 0 } : evenly(createdPerMinute, MINUTE_MS);
  return { bucket: `created/${owner}`, spending: { ...spending, now } };
}

const WORDS: Readonly<Record<string, string>> = {
  running: 'sandboxes running at the same time',
  total: 'sandboxes',
  memory: 'bytes of memory for what runs',
};

/** The store's refusal in words for people; anything else as it is. */
export function quotaError(error: unknown, owner: string): unknown {
  if (!(error instanceof ArcError)) return error;
  const { tally, most, used, bucket } = error.extra;
  if (error.code === 'quota_exceeded' && typeof tally === 'string') {
    const kind = tally.split('/', 1)[0] ?? '';
    const extra = { quota: kind, most };
    return new ArcError('quota_exceeded', `${owner} may have ${most} ${WORDS[kind]}; this would make it ${used}`, {
      extra,
    });
  }
  if (error.code === 'rate_limited' && typeof bucket === 'string') {
    const { retryAfterMs } = error.extra;
    return new ArcError('rate_limited', `${owner} has created as many sandboxes as it may in a minute`, {
      extra: { quota: 'createdPerMinute', retryAfterMs },
    });
  }
  return error;
}
