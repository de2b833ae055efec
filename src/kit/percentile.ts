/** What many measurements of the same thing come to. Of no measurement at all: NaN. */
export interface Summary {
  readonly n: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** @param share 0 … 1; the least measured value that so large a part of all does not exceed */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = Math.max(1, Math.ceil(share * sorted.length));
  return sorted[Math.min(sorted.length, rank) - 1] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);

export function summarize(values: readonly number[]): Summary {
  const of = (share: number) => percentile(values, share);
  return { n: values.length, min: of(0), p50: of(0.5), p90: of(0.9), p99: of(0.99), max: of(1) };
}
