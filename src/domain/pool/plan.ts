/**
 * What to start and what to let go, so that each pool comes to hold what it should. Decides only. Starts are few at once
 * and go to the emptiest pool first; a pool of which nothing has come up lately gets one start at a time and never all
 * of them, so that a template that can't start keeps no other from being filled.
 */
export interface PoolFacts {
  readonly template: string;
  readonly target: number;
  readonly ready: number;
  readonly starting: number;
  /** One of it has come up since the last failure, so that more may be started at the same time. */
  readonly proven: boolean;
  /** Its last start failed, and the next may not be tried yet. */
  readonly waits: boolean;
}

export interface RefillPlan {
  /** Templates to start one of, in this order; a template may be there more than once. */
  readonly start: readonly string[];
  /** How many ready ones of each to remove. */
  readonly remove: readonly { readonly template: string; readonly count: number }[];
}

/** @param room starts that may begin now, of `atOnce` in all */
export function refill(pools: readonly PoolFacts[], room: number, atOnce: number): RefillPlan {
  const state = pools.map((pool): { -readonly [K in keyof PoolFacts]: PoolFacts[K] } => ({ ...pool }));
  const unprovenMax = Math.max(1, Math.floor(atOnce / 2));
  const start: string[] = [];
  while (start.length < room) {
    const unproven = state.reduce((sum, pool) => sum + (pool.proven ? 0 : pool.starting), 0);
    const [next] = state
      .filter((pool) => !pool.waits && pool.ready + pool.starting < pool.target)
      .filter((pool) => pool.proven || (pool.starting === 0 && unproven < unprovenMax))
      .sort((a, b) => fullness(a) - fullness(b) || (a.template < b.template ? -1 : 1));
    if (!next) break;
    next.starting += 1;
    start.push(next.template);
  }
  const remove = state
    .map(({ template, ready, target }) => ({ template, count: ready - kept(target) }))
    .filter(({ count }) => count > 0);
  return { start, remove };
}

function fullness(pool: PoolFacts): number {
  return (pool.ready + pool.starting) / pool.target;
}

/** A few more than the target stay: what is thrown away today is started again tomorrow. */
function kept(target: number): number {
  return target === 0 ? 0 : target + Math.ceil(target / 10);
}
