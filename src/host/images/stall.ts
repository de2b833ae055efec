import { ArcError } from '../../contract/errors.ts';
import type { Clock } from '../../kit/clock.ts';

/**
 * Ends a request when nothing comes for too long. Time counts only while we wait for the other side: a slow disk of
 * ours is not the registry's fault.
 */
export class Stall {
  readonly #clock: Clock;
  readonly #stallMs: number;
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #onOuter: () => void;

  constructor(clock: Clock, stallMs: number, outer: AbortSignal) {
    this.#clock = clock;
    this.#stallMs = stallMs;
    this.#outer = outer;
    this.#onOuter = () => this.#controller.abort(outer.reason);
    if (outer.aborted) this.#onOuter();
    else outer.addEventListener('abort', this.#onOuter, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  async watch<T>(step: Promise<T>): Promise<T> {
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(this.signal.reason);
    this.signal.addEventListener('abort', onAbort, { once: true });
    if (this.signal.aborted) onAbort();
    const cancel = this.#clock.after(this.#stallMs, () =>
      this.#controller.abort(new ArcError('registry_unreachable', `the registry sent nothing for ${this.#stallMs} ms`)),
    );
    try {
      return await Promise.race([step, aborted]);
    } finally {
      cancel();
      this.signal.removeEventListener('abort', onAbort);
      // The loser of the race must not become an unhandled rejection.
      step.catch(() => {});
      aborted.catch(() => {});
    }
  }

  async *body(response: Response): AsyncGenerator<Uint8Array> {
    const reader = response.body?.getReader();
    try {
      while (reader) {
        const { done, value } = await this.watch(reader.read());
        if (done) return;
        yield value;
      }
    } finally {
      this.end();
      await reader?.cancel().catch(() => {});
    }
  }

  /** Lets go of the outer signal. */
  end(): void {
    this.#outer.removeEventListener('abort', this.#onOuter);
  }
}
