import type { Clock } from '../kit/clock.ts';

const EVERY_MS = 1_000;
/** Ids whose last activity is remembered, to leave out repeats. */
const IDS_MAX = 50_000;

/** Tells, at most once a second for each, which sandboxes are being used. */
export class Activity {
  readonly #clock: Clock;
  readonly #tell: ((id: string) => void) | undefined;
  readonly #last = new Map<string, number>();

  constructor(clock: Clock, tell: ((id: string) => void) | undefined) {
    this.#clock = clock;
    this.#tell = tell;
  }

  touch(id: string): void {
    if (!this.#tell) return;
    const now = this.#clock.monotonic();
    const last = this.#last.get(id);
    if (last !== undefined && now - last < EVERY_MS) return;
    if (this.#last.size >= IDS_MAX) this.#last.clear();
    this.#last.set(id, now);
    this.#tell(id);
  }
}
