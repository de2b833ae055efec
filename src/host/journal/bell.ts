import { type FSWatcher, watch } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../kit/clock.ts';

/**
 * Rings when something may have been appended: by the file system's word, and after a while by itself, since that word can
 * be missing (the folder comes after the follower, or no more can be watched).
 */
export class Bell implements Disposable {
  readonly #dir: string;
  readonly #signal: AbortSignal;
  #watcher: FSWatcher | undefined;
  #rung = false;
  #seen = false;
  #ring: () => void = () => {};
  readonly #onAbort = () => this.#now();

  constructor(dir: string, signal: AbortSignal) {
    this.#dir = dir;
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#watch();
  }

  /** `gone`: the sandbox's folder was there and is no more. */
  async wait(clock: Clock, ms: number): Promise<'rung' | 'gone'> {
    if (!this.#rung && !this.#signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#ring = resolve;
      const cancel = clock.after(ms, resolve);
      await promise;
      cancel();
    }
    this.#rung = false;
    this.#watch();
    const there = await access(dirname(this.#dir)).then(
      () => true,
      () => false,
    );
    const gone = this.#seen && !there;
    this.#seen ||= there;
    return gone ? 'gone' : 'rung';
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#watcher?.close();
  }

  #watch(): void {
    if (this.#watcher) return;
    try {
      const watcher = watch(this.#dir, { persistent: false }, () => this.#now());
      watcher.on('error', () => {
        watcher.close();
        this.#watcher = undefined;
      });
      this.#watcher = watcher;
      this.#seen = true;
      this.#now(); /* what came before the watch */
    } catch {
      /* There is no journal yet, or no watch to be had: it rings by itself. */
    }
  }

  #now(): void {
    this.#rung = true;
    this.#ring();
  }
}
