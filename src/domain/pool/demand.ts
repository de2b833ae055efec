/**
 * How much a template has been asked for lately. Plain data and pure steps; times are monotonic ms. Two things are
 * remembered: the most creates within one short window (the burst), which fades slowly, so that the next class of
 * students finds its pool as full as the last one needed it; and the rate, which fades faster.
 */
export interface Demand {
  readonly at: number;
  /** Creates in the window that is open. */
  readonly windowFrom: number;
  readonly windowCount: number;
  /** Most creates in one window, faded. */
  readonly burst: number;
  /** Creates a second, as an average that forgets. */
  readonly rate: number;
}

/** Length of a window, about the time in which a pool is filled again. ms. */
export const WINDOW_MS = 10_000;
/** After this long half of a burst is forgotten. ms. */
const BURST_HALF_MS = 600_000;
/** After this long half of a rate is forgotten. ms. */
const RATE_HALF_MS = 30_000;
/** Seconds of the steady rate that are kept ready. */
const AHEAD_S = 5;
/** Less than this of a burst is forgotten at once. */
const BURST_LEAST = 0.5;
/** So much of one more is not worth it. */
const ROUNDING = 0.1;

export function noDemand(at: number): Demand {
  return { at, windowFrom: at, windowCount: 0, burst: 0, rate: 0 };
}

/** Time has passed. */
export function faded(demand: Demand, at: number): Demand {
  const ms = Math.max(0, at - demand.at);
  const closed = at - demand.windowFrom >= WINDOW_MS;
  const burst = demand.burst * 0.5 ** (ms / BURST_HALF_MS);
  return {
    at: Math.max(at, demand.at),
    windowFrom: closed ? at : demand.windowFrom,
    windowCount: closed ? 0 : demand.windowCount,
    burst: burst < BURST_LEAST ? 0 : burst,
    rate: demand.rate * 0.5 ** (ms / RATE_HALF_MS),
  };
}

/** One create was asked for, whether or not a warm one was there for it. */
export function asked(demand: Demand, at: number): Demand {
  const now = faded(demand, at);
  const windowCount = now.windowCount + 1;
  // Each create adds what makes a steady stream of one a second come to a rate of 1.
  const rate = now.rate + (Math.LN2 * 1_000) / RATE_HALF_MS;
  return { ...now, windowCount, burst: Math.max(now.burst, windowCount), rate };
}

/** How many to keep ready for what was seen, within the template's bounds. */
export function wanted(demand: Demand, bounds: { readonly min: number; readonly max: number }, at: number): number {
  const now = faded(demand, at);
  const need = Math.ceil(Math.max(now.burst, now.rate * AHEAD_S) - ROUNDING);
  return Math.min(bounds.max, Math.max(bounds.min, need));
}
