/** Time comes in by constructor; only `main/` makes the real one. */
export interface Clock {
  /** Wall clock, ms since the epoch. For people and for records; it can jump. */
  now(): number;
  /** Monotonic ms from some start. For every limit and deadline. */
  monotonic(): number;
  /** Resolves after `ms`, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls once after `ms`; gives the function that cancels it. Does not keep the process alive. */
  after(ms: number, callback: () => void): () => void;
}

/** Randomness, likewise. */
export interface Rng {
  bytes(count: number): Uint8Array;
  /** 0 ≤ x < 1 */
  float(): number;
}
