import type { Clock } from '../../../kit/clock.ts';
import type { AddTemplate } from '../../service.ts';
import { PROGRESS_LAYERS_MAX, PROGRESS_MS } from '../limits.ts';

export type Progress = Parameters<NonNullable<AddTemplate['onProgress']>>[0];

/** The newest progress of each layer, a few times a second: a slow reader sees fewer steps and holds up nothing. */
export class ProgressFeed {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #newest = new Map<string, Progress>();
  readonly #ending = Promise.withResolvers<void>();
  #ended = false;
  #wake = Promise.withResolvers<void>();

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.end(), { once: true });
    if (signal.aborted) this.end();
  }

  take(progress: Progress): void {
    if (!this.#newest.has(progress.layer) && this.#newest.size >= PROGRESS_LAYERS_MAX) return;
    this.#newest.set(progress.layer, progress);
    this.#wake.resolve();
  }

  end(): void {
    this.#ended = true;
    this.#ending.resolve();
    this.#wake.resolve();
  }

  async *lines(): AsyncGenerator<Progress> {
    for (;;) {
      await this.#wake.promise;
      this.#wake = Promise.withResolvers<void>();
      const taken = [...this.#newest.values()];
      this.#newest.clear();
      yield* taken;
      if (this.#signal.aborted || (this.#ended && this.#newest.size === 0)) return;
      await Promise.race([this.#clock.sleep(PROGRESS_MS, this.#signal).catch(() => {}), this.#ending.promise]);
      if (this.#ended) this.#wake.resolve();
    }
  }
}
