/** Who is parked first when a node runs short of memory. */
export interface PressureLimits {
  /** Less of the memory than this is available: too short. 0 to 1. */
  readonly availableMin: number;
  /** Something waited for memory for more than this share of the last seconds: too short. Percent. */
  readonly stalledPercentMax: number;
  /** Used less long ago than this, it is let be. ms */
  readonly quietMs: number;
  /** Parked in one go; the next look sees what it brought. */
  readonly atOnce: number;
}

export interface NodeMemory {
  readonly totalBytes: number;
  readonly availableBytes: number;
  readonly stalledPercent?: number;
}

export interface Candidate {
  readonly id: string;
  readonly quietMs: number;
}

export function isShort(memory: NodeMemory, limits: PressureLimits): boolean {
  if (memory.totalBytes <= 0) return false;
  if (memory.availableBytes / memory.totalBytes < limits.availableMin) return true;
  // Stalls on a node that has plenty of memory are those of single sandboxes at their own limits.
  const plenty = memory.availableBytes / memory.totalBytes > PLENTY;
  return !plenty && (memory.stalledPercent ?? 0) > limits.stalledPercentMax;
}

const PLENTY = 0.5;

/** The longest idle first. */
export function parkedFirst(candidates: readonly Candidate[], limits: PressureLimits): readonly string[] {
  return candidates
    .filter(({ quietMs }) => quietMs >= limits.quietMs)
    .sort((a, b) => b.quietMs - a.quietMs || (a.id < b.id ? -1 : 1))
    .slice(0, limits.atOnce)
    .map(({ id }) => id);
}
