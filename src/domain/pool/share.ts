/**
 * Divides a node's memory for warm sandboxes between the pools that want some. Floors come before what is wanted beyond
 * them, and where even the floors don't fit, each pool gets the same part of its own.
 */
export interface PoolWish {
  readonly template: string;
  readonly min: number;
  /** What recent demand asks for, `min` at least. */
  readonly wanted: number;
  /** Bytes that one of them takes. */
  readonly bytesEach: number;
}

export interface PoolShare {
  readonly template: string;
  readonly target: number;
  /** How many of `min` can't be had. */
  readonly short: number;
}

/**
 * @param budgetBytes memory that warm sandboxes may take
 * @param squeeze 0 to 1: the part of it that is left while memory is tight
 */
export function share(wishes: readonly PoolWish[], budgetBytes: number, squeeze: number): readonly PoolShare[] {
  const budget = budgetBytes * squeeze;
  const floors = fill(
    wishes.map((wish) => ({ ...wish, from: 0, to: wish.min })),
    budget,
  );
  const left = budget - wishes.reduce((sum, wish, index) => sum + (floors[index] ?? 0) * wish.bytesEach, 0);
  const extras = fill(
    wishes.map((wish) => ({ ...wish, from: 0, to: Math.max(0, wish.wanted - wish.min) })),
    left,
  );
  return wishes.map((wish, index) => {
    const floor = floors[index] ?? 0;
    const extra = floor < wish.min ? 0 : (extras[index] ?? 0);
    return { template: wish.template, target: floor + extra, short: wish.min - floor };
  });
}

interface Portion {
  readonly to: number;
  readonly bytesEach: number;
}

/** As much of each as fits: all of it, or else the same part of each, and then one more each while there is room. */
function fill(portions: readonly Portion[], bytes: number): number[] {
  const all = portions.reduce((sum, portion) => sum + portion.to * portion.bytesEach, 0);
  if (all <= bytes) return portions.map((portion) => portion.to);
  const part = all === 0 ? 0 : Math.max(0, bytes) / all;
  const given = portions.map((portion) => Math.floor(portion.to * part));
  let left = bytes - portions.reduce((sum, portion, index) => sum + (given[index] ?? 0) * portion.bytesEach, 0);
  for (const [index, portion] of portions.entries()) {
    const has = given[index] ?? 0;
    if (has >= portion.to || portion.bytesEach > left) continue;
    given[index] = has + 1;
    left -= portion.bytesEach;
  }
  return given;
}
