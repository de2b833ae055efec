import type { NodeView } from '../../contract/schemas/admin.ts';
import type { Level } from '../../contract/states.ts';
import type { Summary } from '../../kit/percentile.ts';
import type { WallView } from './node-look.ts';

/** What is measured of each level, in this order, with the words for people. Times are ms of the person who asks. */
export const MEASURES = {
  claim: 'claim of a warm one → 200',
  claimAnswer: '  of it, the answer of the API',
  create: 'cold create → 200',
  exec: 'exec',
  wakeFrozen: 'wake of a frozen one → 200',
  wakeStopped: 'wake of a stopped one → 200',
  request: 'a request to a running one',
  remove: 'remove',
} as const;
export type Measure = keyof typeof MEASURES;

/** Bytes for each sandbox; absent what could not be measured. */
export interface MemoryFigures {
  /** What its own programs hold, by their cgroup. */
  readonly programs?: number;
  /** All-in: MemAvailable that is lost with each one that lives, kernel and Arc included. */
  readonly live?: number;
  readonly frozen?: number;
  readonly stopped?: number;
}

export interface LevelResult {
  readonly level: Level;
  readonly available: boolean;
  readonly runtime?: string;
  /** Why it is not to be had here. */
  readonly why?: string;
  /** What was looked at before anything counted; or that nothing was, and why. */
  readonly checked: string;
  readonly figures: Partial<Record<Measure, Summary>>;
  readonly notMeasured: Partial<Record<Measure, string>>;
  readonly memory: MemoryFigures;
  /** How many live ones fit in one GiB. */
  readonly perGiB?: number;
  /** What is used up first, nearest first. Empty where this was not run on the node as root. */
  readonly walls: readonly WallView[];
}

export interface BenchResult {
  /** RFC 3339 */
  readonly at: string;
  readonly version: string;
  readonly rounds: number;
  readonly nodes: readonly (Omit<NodeView, 'levels' | 'cgroup'> & { readonly cgroup: string })[];
  readonly levels: readonly LevelResult[];
}

const GIB = 1024 ** 3;

/** All-in where it was measured; what is less than nothing was lost in what else the machine did. */
export function perGiB({ live, programs }: MemoryFigures): number | undefined {
  const each = live ?? programs;
  return each === undefined || each <= 0 ? undefined : Math.floor(GIB / each);
}
