import type { Admission } from '../../domain/admission.ts';
import type { Deadline, Heartbeats } from '../../domain/deadline.ts';
import { deadlineIn, timeLeft } from '../../domain/deadline.ts';
import type { Engine } from '../../engines/engine.ts';
import type { BootClock } from '../../kit/boot.ts';
import type { Clock, Rng } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import type { KeyedMutex } from '../../kit/mutex.ts';
import type { Store } from '../../store/store.ts';
import type { Activity } from './activity.ts';
import type { EngineCalls } from './engine-calls.ts';
import type { ControlPlaneOptions } from './options.ts';
import type { QuotaStore } from './quotas.ts';
import type { Routes } from './routes.ts';
import type { Rows } from './rows.ts';
import type { SecretStore } from './secrets.ts';
import type { Origin } from './starter.ts';
import type { VitalSigns } from './vitals.ts';
import type { Waiters } from './waiters.ts';

/** What the parts of the core share. */
export interface Core {
  readonly store: Store;
  readonly engine: Engine;
  readonly router: Routes;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  readonly options: ControlPlaneOptions;
  readonly rows: Rows;
  readonly quotas: QuotaStore;
  readonly secrets: SecretStore;
  readonly calls: EngineCalls;
  readonly waiters: Waiters;
  readonly admission: Admission<Origin>;
  /** One holder for each sandbox: whoever changes what the engine has of it. */
  readonly lanes: KeyedMutex;
  readonly time: BootTime;
  readonly activity: Activity;
  readonly vitals: VitalSigns;
  /** Aborted by `close`. */
  readonly closing: AbortSignal;
}

/** Deadlines in terms of the boot clock, with the heartbeats of earlier boots. */
export class BootTime {
  readonly #boot: BootClock;
  beats: Heartbeats = [];

  constructor(boot: BootClock) {
    this.#boot = boot;
  }

  get now(): { readonly boot: string; readonly uptimeMs: number } {
    return { boot: this.#boot.id, uptimeMs: this.#boot.uptimeMs() };
  }

  in(ms: number): Deadline {
    return deadlineIn(ms, this.now);
  }

  left(deadline: Deadline): number {
    return timeLeft(deadline, this.now, this.beats);
  }

  isOfThisBoot(deadline: Deadline): boolean {
    return deadline.boot === this.#boot.id;
  }
}
