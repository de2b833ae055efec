/** What a node says of its memory. */
export interface MemoryFacts {
  readonly totalBytes: number;
  /** What can be had without swapping, as the kernel reckons it. */
  readonly availableBytes: number;
  /** Percent of the last ten seconds in which something waited for memory; absent where the kernel doesn't say. */
  readonly stalledPercent?: number;
}

/** Less than this part of all memory available is tight. */
const AVAILABLE_PART_MIN = 0.08;
/** Waiting for memory more than this is tight. */
const STALLED_PERCENT_MAX = 10;
/** Of what pools may hold, this part is left after each look that finds memory tight. */
const YIELD = 0.5;
/** Below this nothing is held any more. */
const SQUEEZE_MIN = 0.1;
/** What comes back with each look that finds it calm: slower than it went. */
const REGAIN = 0.05;

export function isTight(memory: MemoryFacts): boolean {
  const stalled = (memory.stalledPercent ?? 0) > STALLED_PERCENT_MAX;
  return stalled || memory.availableBytes < memory.totalBytes * AVAILABLE_PART_MIN;
}

/** The part of their memory that pools may use after this look; 1 is all of it. */
export function squeezed(before: number, memory: MemoryFacts): number {
  if (!isTight(memory)) return Math.min(1, before + REGAIN);
  const after = before * YIELD;
  return after < SQUEEZE_MIN ? 0 : after;
}
