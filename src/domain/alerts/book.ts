import type { AlertView } from '../../contract/schemas/sandbox.ts';
import type { Condition } from './rules.ts';

export interface Moment {
  /** ms since the epoch, for people. */
  readonly wall: number;
  /** Monotonic ms, for every limit. */
  readonly mono: number;
}

export interface GroupLimits {
  /** What begins within so long is told together. */
  readonly gatherMs: number;
  /** Between two messages, at least. */
  readonly intervalMs: number;
  /** What must have been gone for so long before it is over. */
  readonly calmMs: number;
  /** What goes on is told again after so long. */
  readonly repeatMs: number;
  readonly perHour: number;
  /** In one message. */
  readonly most: number;
}

export const GROUP_LIMITS: GroupLimits = {
  gatherMs: 10_000,
  intervalMs: 60_000,
  calmMs: 60_000,
  repeatMs: 4 * 3_600_000,
  perHour: 12,
  most: 20,
};

/** What is kept over a restart: that of which somebody was told. */
export interface ToldAlert {
  readonly name: string;
  readonly subject: string;
  readonly severity: Condition['severity'];
  readonly summary: string;
  /** ms since the epoch. */
  readonly since: number;
}

interface Known extends ToldAlert {
  readonly firstSeen: number;
  readonly forMs: number;
  readonly seen: number;
  /** When it was told last; undefined: never. */
  readonly toldAt?: number;
}

export interface Telling {
  readonly alerts: readonly AlertView[];
  /** Beyond what one message holds. */
  readonly more: number;
}

const HOUR_MS = 3_600_000;

/** Conditions on one side, messages on the other: what is new, over or still there is told together, and not too often. */
export class AlertBook {
  readonly #limits: GroupLimits;
  readonly #known = new Map<string, Known>();
  /** Monotonic ms of the last messages. */
  #sent: number[] = [];
  #gathering: number | undefined;

  constructor(limits: GroupLimits, told: readonly ToldAlert[] = [], mono = 0) {
    this.#limits = limits;
    for (const one of told) {
      this.#known.set(keyOf(one), { ...one, firstSeen: mono, seen: mono, toldAt: mono, forMs: 0 });
    }
  }

  get told(): readonly ToldAlert[] {
    return [...this.#known.values()]
      .filter(({ toldAt }) => toldAt !== undefined)
      .map(({ name, subject, severity, summary, since }) => ({ name, subject, severity, summary, since }));
  }

  /** What lasts long enough now, whether or not it was told yet. */
  firing(mono: number): readonly ToldAlert[] {
    return [...this.#known.values()].filter((one) => one.toldAt !== undefined || this.#isDue(one, mono));
  }

  /** Takes what is seen now, and gives what is to be told now. */
  look(seen: readonly Condition[], now: Moment): Telling | undefined {
    this.#note(seen, now);
    const all = [...this.#known.values()];
    const begun = all.filter((one) => one.toldAt === undefined && this.#isDue(one, now.mono));
    const over = all.filter((one) => one.toldAt !== undefined && now.mono - one.seen >= this.#limits.calmMs);
    const late = all.filter((one) => one.toldAt !== undefined && now.mono - one.toldAt >= this.#limits.repeatMs);
    if (begun.length + over.length + late.length === 0) {
      this.#gathering = undefined;
      return undefined;
    }
    this.#gathering ??= now.mono;
    if (now.mono - this.#gathering < this.#limits.gatherMs || !this.#maySend(now.mono)) return undefined;
    this.#gathering = undefined;
    this.#sent.push(now.mono);
    const again = late.filter((one) => !over.includes(one));
    for (const one of over) this.#known.delete(keyOf(one));
    for (const one of [...begun, ...again]) this.#known.set(keyOf(one), { ...one, toldAt: now.mono });
    const alerts = [
      ...[...begun, ...again].map((one) => view(one, 'firing')),
      ...over.map((one) => view(one, 'resolved')),
    ];
    return { alerts: alerts.slice(0, this.#limits.most), more: Math.max(0, alerts.length - this.#limits.most) };
  }

  #note(seen: readonly Condition[], now: Moment): void {
    for (const { name, subject, severity, summary, forMs } of seen) {
      const key = keyOf({ name, subject });
      const known = this.#known.get(key);
      const since = known ?? { since: now.wall, firstSeen: now.mono };
      const fresh = {
        name,
        subject,
        severity,
        summary,
        forMs,
        since: since.since,
        firstSeen: since.firstSeen,
        seen: now.mono,
      };
      this.#known.set(key, known?.toldAt === undefined ? fresh : { ...fresh, toldAt: known.toldAt });
    }
    // What ended before anybody was told of it was nothing.
    for (const [key, one] of this.#known) if (one.toldAt === undefined && one.seen < now.mono) this.#known.delete(key);
  }

  #isDue({ firstSeen, forMs }: Known, mono: number): boolean {
    return mono - firstSeen >= forMs;
  }

  #maySend(mono: number): boolean {
    this.#sent = this.#sent.filter((at) => mono - at < HOUR_MS);
    const last = this.#sent.at(-1);
    return this.#sent.length < this.#limits.perHour && (last === undefined || mono - last >= this.#limits.intervalMs);
  }
}

function keyOf({ name, subject }: Pick<ToldAlert, 'name' | 'subject'>): string {
  return `${name}/${subject}`;
}

function view({ name, subject, severity, summary, since }: Known, status: AlertView['status']): AlertView {
  return { name, subject, status, severity, summary, since: new Date(since).toISOString() };
}
