import { ArcError } from '../../contract/errors.ts';
import type { ResolvedSpec } from '../../contract/spec.ts';
import type { CreateOrder, Engine, Held, Placement, Target } from '../../engines/engine.ts';
import type { Clock } from '../../kit/clock.ts';
import { giveUp, OutOfTime } from '../../kit/limit.ts';
import type { ControlPlaneOptions } from './options.ts';

/** The engine with a limit on every call: it may hang, the control plane may not. */
export class EngineCalls {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #options: ControlPlaneOptions;
  readonly #late: (target: Target) => void;

  /** @param late hears of a sandbox that came up after nobody waited for it any more. */
  constructor(engine: Engine, clock: Clock, options: ControlPlaneOptions, late: (target: Target) => void) {
    this.#engine = engine;
    this.#clock = clock;
    this.#options = options;
    this.#late = late;
  }

  async create(order: CreateOrder, signal: AbortSignal): Promise<Placement> {
    const { createMs, cancelGraceMs } = this.#options;
    const cancel = new AbortController();
    const onAbort = () => cancel.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      const work = called(() => this.#engine.create(order, cancel.signal));
      return await giveUp(this.#clock, work, { ms: createMs, signal, graceMs: cancelGraceMs }, (result) => {
        if (result.status === 'fulfilled') this.#late({ id: order.id, incarnation: order.incarnation });
      });
    } catch (error) {
      if (!(error instanceof OutOfTime)) throw error;
      cancel.abort(error);
      throw new ArcError('start_failed', `the engine did not start it within ${createMs} ms`, { cause: error });
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async probe(target: Target, spec: ResolvedSpec, ms: number, signal: AbortSignal): Promise<boolean> {
    const cancel = new AbortController();
    const onAbort = () => cancel.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      return await giveUp(
        this.#clock,
        called(() => this.#engine.probe(target, spec, cancel.signal)),
        { ms, signal },
      );
    } catch (error) {
      if (!(error instanceof OutOfTime)) throw error;
      cancel.abort(error);
      return false;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async stop(target: Target): Promise<void> {
    await this.#bounded('stop it', () => this.#engine.stop(target));
  }

  async destroy(target: Target): Promise<void> {
    await this.#bounded('remove it', () => this.#engine.destroy(target));
  }

  async freeze(target: Target): Promise<void> {
    await this.#bounded('freeze it', async () => {
      if (!this.#engine.freeze)
        throw new ArcError('method_not_allowed', `${this.#engine.name} can not freeze sandboxes`);
      await this.#engine.freeze(target);
    });
  }

  async thaw(target: Target): Promise<void> {
    await this.#bounded('thaw it', async () => await this.#engine.thaw?.(target));
  }

  async list(): Promise<readonly Held[]> {
    return await this.#bounded('list what it holds', () => this.#engine.list());
  }

  async #bounded<T>(what: string, call: () => Promise<T>): Promise<T> {
    const { engineMs } = this.#options;
    try {
      return await giveUp(this.#clock, called(call), { ms: engineMs });
    } catch (error) {
      if (!(error instanceof OutOfTime)) throw error;
      throw new ArcError('unavailable', `the engine did not ${what} within ${engineMs} ms`, { cause: error });
    }
  }
}

/** A throw before the first await is a rejection like any other. */
async function called<T>(call: () => Promise<T>): Promise<T> {
  return await call();
}
