/** What an operator is told of before users complain, decided from the facts of one moment. */

export interface AlertFacts {
  /** Why the newest look at the node failed, where it did. */
  readonly nodeProblem?: string;
  readonly disk?: { readonly totalBytes: number; readonly availableBytes: number };
  readonly memory?: { readonly totalBytes: number; readonly availableBytes: number; readonly stalledPercent?: number };
  readonly memoryShort: boolean;
  /** Sandboxes that wait for their start, and how long the one that waits longest has done so. */
  readonly queue: { readonly waiting: number; readonly longestMs: number };
  readonly pools: readonly {
    readonly template: string;
    readonly problem?: string;
    readonly ready: number;
    readonly target: number;
  }[];
  /** Times that the node's helper was lost within `ALERT_LIMITS.windowMs`. */
  readonly helperLosses: number;
  /** Starts within the same time. Failures that are the program's own are not counted. */
  readonly starts: { readonly done: number; readonly failed: number };
  readonly hooks: readonly { readonly id: string; readonly problem?: string; readonly givenUp: number }[];
}

export interface Condition {
  /** Stable, for receivers to sort by. */
  readonly name: AlertName;
  /** Of what. */
  readonly subject: string;
  readonly severity: 'warning' | 'critical';
  readonly summary: string;
  /** It must last so long before anybody is told. */
  readonly forMs: number;
}

export const ALERT_NAMES = [
  'node-failing',
  'disk-low',
  'memory-pressure',
  'queue-long',
  'pool-empty',
  'helper-restarts',
  'starts-failing',
  'hook-failing',
] as const;
export type AlertName = (typeof ALERT_NAMES)[number];

/** From when on it is told. */
export interface AlertLimits {
  /** Losses of the helper and failed starts are counted within so long. */
  readonly windowMs: number;
  /** Shares of the disk that are left. */
  readonly diskWarning: number;
  readonly diskCritical: number;
  readonly queueMs: number;
  readonly helperLosses: number;
  readonly startsFailed: number;
  readonly startsFailedShare: number;
}

export const ALERT_LIMITS: AlertLimits = {
  windowMs: 600_000,
  diskWarning: 0.1,
  diskCritical: 0.03,
  queueMs: 30_000,
  helperLosses: 2,
  startsFailed: 5,
  startsFailedShare: 0.2,
};

const MINUTE_MS = 60_000;
const GIB = 1024 ** 3;

/** Everything that is not as it should be. */
export function conditions(facts: AlertFacts, node: string, limits = ALERT_LIMITS): readonly Condition[] {
  return [
    ...nodeConditions(facts, node, limits),
    ...startConditions(facts, node, limits),
    ...facts.pools.flatMap(poolCondition),
    ...facts.hooks.flatMap(hookCondition),
  ];
}

function nodeConditions(
  { nodeProblem, disk, memory, memoryShort }: AlertFacts,
  node: string,
  limits: AlertLimits,
): readonly Condition[] {
  const found: Condition[] = [];
  if (nodeProblem !== undefined) {
    const summary = `${node} can not be looked after: ${nodeProblem}`;
    found.push({ name: 'node-failing', subject: node, severity: 'critical', summary, forMs: 20_000 });
  }
  if (disk && disk.totalBytes > 0) {
    const share = disk.availableBytes / disk.totalBytes;
    const severity = share < limits.diskCritical ? 'critical' : 'warning';
    const summary = `${node} has ${percent(share)} (${gib(disk.availableBytes)}) of its disk left for sandboxes`;
    if (share < limits.diskWarning) {
      found.push({ name: 'disk-low', subject: node, severity, summary, forMs: MINUTE_MS });
    }
  }
  if (memory && memoryShort) {
    const share = memory.availableBytes / memory.totalBytes;
    const stalled =
      memory.stalledPercent === undefined
        ? ''
        : `, and ${Math.round(memory.stalledPercent)} % of the time something waits for it`;
    const summary = `${node} has ${percent(share)} of its memory left${stalled}`;
    found.push({ name: 'memory-pressure', subject: node, severity: 'warning', summary, forMs: MINUTE_MS });
  }
  return found;
}

function startConditions(
  { queue, helperLosses, starts }: AlertFacts,
  node: string,
  limits: AlertLimits,
): readonly Condition[] {
  const found: Condition[] = [];
  if (queue.waiting > 0 && queue.longestMs > limits.queueMs) {
    const summary = `${queue.waiting} sandboxes wait for their start, the first for ${Math.round(queue.longestMs / 1_000)} s`;
    found.push({ name: 'queue-long', subject: 'queue', severity: 'warning', summary, forMs: 10_000 });
  }
  if (helperLosses >= limits.helperLosses) {
    const summary = `the helper of ${node} was lost and started again ${helperLosses} times within ten minutes`;
    found.push({ name: 'helper-restarts', subject: node, severity: 'critical', summary, forMs: 0 });
  }
  const all = starts.done + starts.failed;
  if (starts.failed >= limits.startsFailed && starts.failed / all >= limits.startsFailedShare) {
    const summary = `${starts.failed} of ${all} starts failed within ten minutes, for other reasons than their programs`;
    found.push({ name: 'starts-failing', subject: node, severity: 'critical', summary, forMs: 0 });
  }
  return found;
}

function poolCondition({ template, problem, ready, target }: AlertFacts['pools'][number]): readonly Condition[] {
  if (problem === undefined || ready >= target) return [];
  const summary = `the pool of ${template} has ${ready} of ${target} sandboxes: ${problem}`;
  return [{ name: 'pool-empty', subject: template, severity: 'warning', summary, forMs: MINUTE_MS }];
}

function hookCondition({ id, problem }: AlertFacts['hooks'][number]): readonly Condition[] {
  if (problem === undefined) return [];
  const summary = `nothing arrives at the hook ${id}: ${problem}`;
  return [{ name: 'hook-failing', subject: id, severity: 'warning', summary, forMs: 15 * MINUTE_MS }];
}

const percent = (share: number): string => `${Math.round(share * 1_000) / 10} %`;
const gib = (bytes: number): string => `${Math.round((bytes / GIB) * 10) / 10} GiB`;
