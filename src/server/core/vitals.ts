import type { Clock } from '../../kit/clock.ts';
import type { Phase, PhaseListener, Vitals } from '../service.ts';

/** Marks that are kept at most, of each kind. */
const MARKS_MAX = 10_000;

/** What the control plane notices of its own work: for metrics, traces and alerts. Costs a few numbers for each start. */
export class VitalSigns implements Vitals {
  readonly #clock: Clock;
  readonly #listeners = new Set<PhaseListener>();
  readonly #helperLosses: number[] = [];
  readonly #done: number[] = [];
  readonly #failed: number[] = [];
  /** Since when each waits for its start, monotonic ms. */
  readonly #waiting = new Map<string, number>();
  #nodeProblem: string | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  onPhase(listener: PhaseListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Times a part of a start. A part that fails is told too, as that. */
  async phase<T>(
    about: { readonly id: string; readonly level: string },
    name: Phase['name'],
    work: () => Promise<T>,
  ): Promise<T> {
    const began = this.#clock.monotonic();
    let ok = false;
    try {
      const result = await work();
      ok = true;
      return result;
    } finally {
      this.#tell({ ...about, name, ms: this.#clock.monotonic() - began, endedAt: this.#clock.now(), ok });
    }
  }

  /** A part that is over, and that nobody could name before it was. */
  took(about: { readonly id: string; readonly level: string }, name: Phase['name'], began: number): void {
    this.#tell({ ...about, name, ms: this.#clock.monotonic() - began, endedAt: this.#clock.now(), ok: true });
  }

  waits(id: string): void {
    this.#waiting.set(id, this.#clock.monotonic());
  }

  /** It waits no longer. */
  begins(about: { readonly id: string; readonly level: string }): void {
    const since = this.#waiting.get(about.id);
    if (since === undefined) return;
    this.#waiting.delete(about.id);
    this.#tell({ ...about, name: 'queue', ms: this.#clock.monotonic() - since, endedAt: this.#clock.now(), ok: true });
  }

  left(id: string): void {
    this.#waiting.delete(id);
  }

  started(): void {
    mark(this.#done, this.#clock.monotonic());
  }

  /** For another reason than its program. */
  startFailed(): void {
    mark(this.#failed, this.#clock.monotonic());
  }

  helperLost(): void {
    mark(this.#helperLosses, this.#clock.monotonic());
  }

  /** What came of the newest pass over store and engine. */
  passed(problem: string | undefined): void {
    this.#nodeProblem = problem;
  }

  recent(windowMs: number) {
    const from = this.#clock.monotonic() - windowMs;
    const [longest] = this.#waiting.values();
    return {
      helperLosses: count(this.#helperLosses, from),
      starts: { done: count(this.#done, from), failed: count(this.#failed, from) },
      queue: { waiting: this.#waiting.size, longestMs: longest === undefined ? 0 : this.#clock.monotonic() - longest },
      ...(this.#nodeProblem === undefined ? {} : { nodeProblem: this.#nodeProblem }),
    };
  }

  #tell(phase: Phase): void {
    for (const listener of this.#listeners) listener(phase);
  }
}

function mark(times: number[], at: number): void {
  times.push(at);
  if (times.length > MARKS_MAX) times.splice(0, times.length - MARKS_MAX / 2);
}

function count(times: number[], from: number): number {
  const first = times.findIndex((at) => at >= from);
  if (first > 0) times.splice(0, first);
  return first < 0 ? 0 : times.length;
}
