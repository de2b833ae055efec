import type { BootClock } from '../../kit/boot.ts';
import type { Clock } from '../../kit/clock.ts';

interface Timer {
  readonly due: number;
  readonly order: number;
  readonly call: () => void;
}

/** A clock that stands still until it is moved by hand. The wall clock can be set, the monotonic one can not. */
export class ManualClock implements Clock {
  #timers: Timer[] = [];
  #order = 0;
  #mono = 0;
  #wall: number;

  constructor(wall = Date.UTC(2030, 0, 1)) {
    this.#wall = wall;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#mono;
  }

  /** Somebody sets the wall clock forward or back; no time passes. */
  jumpWall(ms: number): void {
    this.#wall += ms;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { due: this.#mono + Math.max(0, ms), order: this.#order++, call: callback };
    // Kept in the order of firing: the place is found from the end, where most new ones belong.
    let at = this.#timers.length;
    while (at > 0 && (this.#timers[at - 1] as Timer).due > timer.due) at -= 1;
    this.#timers.splice(at, 0, timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index >= 0) this.#timers.splice(index, 1);
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = () => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = this.after(ms, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  get pending(): number {
    return this.#timers.length;
  }

  /** Time passes; whatever is due happens in order, each with all that follows from it at once. */
  async advance(ms: number): Promise<void> {
    const end = this.#mono + ms;
    await settled();
    for (let next = this.#timers[0]; next && next.due <= end; next = this.#timers[0]) {
      this.#timers.shift();
      this.#move(Math.max(this.#mono, next.due));
      next.call();
      await settled();
    }
    this.#move(end);
  }

  #move(to: number): void {
    this.#wall += to - this.#mono;
    this.#mono = to;
  }
}

/** Resolves when every promise that can go on has gone on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The machine's boot clock over a hand-driven one; `reboot` begins a new boot. */
export class ManualBoot implements BootClock {
  readonly #clock: Clock;
  #boots = 1;
  #since = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get id(): string {
    return `boot-${this.#boots}`;
  }

  uptimeMs(): number {
    return this.#clock.monotonic() - this.#since;
  }

  reboot(): void {
    this.#boots += 1;
    this.#since = this.#clock.monotonic();
  }
}
