/**
 * A bucket that each use fills by its cost and that empties by one a millisecond. What would overflow it is refused, and
 * how long that lasts is known exactly. All of its state is the moment at which it will be empty.
 */
export interface Spending {
  /** ms, by the same clock for all uses of one bucket. */
  readonly now: number;
  /** ms until this one use has drained again. */
  readonly cost: number;
  /** What the bucket holds, ms. */
  readonly most: number;
}

export type Spent =
  | { readonly ok: true; readonly emptyAt: number }
  /** `retryMs`: after so long it would fit. */
  | { readonly ok: false; readonly retryMs: number };

/** Sums of fractions are not exact. ms. */
const ROUNDING_MS = 0.5;

/** @param emptyAt as an earlier use left it; a clock that was set back since makes nobody wait for more than a full bucket */
export function spend(emptyAt: number, { now, cost, most }: Spending): Spent {
  const from = Math.min(Math.max(emptyAt, now), now + most);
  const over = from + cost - now - most;
  return over > ROUNDING_MS ? { ok: false, retryMs: Math.ceil(over) } : { ok: true, emptyAt: from + cost };
}

/** So many in each `perMs`, all of them at once where nobody asked before. */
export function evenly(count: number, perMs: number): Pick<Spending, 'cost' | 'most'> {
  return { cost: perMs / count, most: perMs };
}
