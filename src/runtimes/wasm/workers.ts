import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import type { WorkerHost } from './confine.ts';
import type { EngineName } from './order.ts';
import { WorkerProcess } from './worker-process.ts';

export interface WorkersDeps {
  /** Found out at the first call. */
  readonly host: () => Promise<WorkerHost>;
  readonly clock: Clock;
  readonly log: Logger;
  /** A host id of nobody else's for as long as a worker lives. Asked for only where this process is root. */
  readonly borrowUid: () => { readonly uid: number; giveBack(): void };
  /** Gives, made at the first call, the saved memory that Python starts from. */
  readonly snapshot: () => Promise<string | undefined>;
}

/** Engines of a kind that stand ready once one was used. */
const WARM = 1;
/** ms without use after which those go again. */
const IDLE_MS = 600_000;

interface Kept {
  readonly waiting: Promise<WorkerProcess>[];
  cancel: () => void;
}

/** Engines that were started ahead: one is taken for each program, and another takes its place. */
export class Workers {
  readonly #deps: WorkersDeps;
  readonly #kept = new Map<string, Kept>();
  readonly #living = new Set<WorkerProcess>();
  #closed = false;

  constructor(deps: WorkersDeps) {
    this.#deps = deps;
  }

  /** Has one ready for the next that asks. */
  warm(engine: EngineName, memoryBytes: number): void {
    const kept = this.#of(engine, memoryBytes);
    this.#useful(kept);
    while (!this.#closed && kept.waiting.length < WARM) {
      const made = this.#start(engine, memoryBytes);
      kept.waiting.push(made);
      made.catch((error: unknown) => {
        const at = kept.waiting.indexOf(made);
        if (at >= 0) kept.waiting.splice(at, 1);
        if (this.#closed) return;
        this.#deps.log.warn({ err: error }, 'an engine of the level wasm could not be started');
      });
    }
  }

  /** Resolves once one stands that is ready for the next that asks; where none can, whoever asks is told why. */
  async standing(engine: EngineName, memoryBytes: number): Promise<void> {
    this.warm(engine, memoryBytes);
    await this.#of(engine, memoryBytes).waiting[0]?.catch(() => {});
  }

  /** One that stands. Another is started in its place once `settled`. */
  async take(engine: EngineName, memoryBytes: number): Promise<WorkerProcess> {
    const kept = this.#of(engine, memoryBytes);
    for (let next = kept.waiting.shift(); next !== undefined; next = kept.waiting.shift()) {
      const worker = await next.catch(() => undefined);
      if (worker !== undefined && this.#living.has(worker)) return worker;
    }
    return await this.#start(engine, memoryBytes);
  }

  close(): void {
    this.#closed = true;
    for (const kept of this.#kept.values()) kept.cancel();
    for (const worker of this.#living) worker.kill('SIGKILL');
  }

  #of(engine: EngineName, memoryBytes: number): Kept {
    const key = `${engine} ${memoryBytes}`;
    const kept = this.#kept.get(key) ?? { waiting: [], cancel: () => {} };
    this.#kept.set(key, kept);
    return kept;
  }

  #useful(kept: Kept): void {
    kept.cancel();
    kept.cancel = this.#deps.clock.after(IDLE_MS, () => {
      for (const made of kept.waiting.splice(0)) made.then((worker) => worker.kill('SIGKILL')).catch(() => {});
    });
  }

  async #start(engine: EngineName, memoryBytes: number): Promise<WorkerProcess> {
    const { clock } = this.#deps;
    const host = await this.#deps.host();
    const snapshot = engine === 'python' ? await this.#deps.snapshot() : undefined;
    if (this.#closed) throw new Error('this server is stopping');
    const lent = host.root ? this.#deps.borrowUid() : { uid: 0, giveBack: () => {} };
    const shape = { engine, memoryBytes, uid: lent.uid, ...(snapshot === undefined ? {} : { snapshot }) };
    const worker = new WorkerProcess(host, shape, clock);
    this.#living.add(worker);
    void worker.gone.then(() => {
      this.#living.delete(worker);
      lent.giveBack();
    });
    await worker.ready;
    return worker;
  }
}
