import type { CliEnv, SignalName } from './env.ts';

const SIGNALS: readonly SignalName[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/** Takes over what would end the process, so that there is time to pass it on and to clean up. */
export class Interruption implements Disposable {
  readonly #off: (() => void)[];
  readonly #listeners = new Set<(signal: SignalName, count: number) => void>();
  #count = 0;
  #first: SignalName | undefined;

  constructor(env: Pick<CliEnv, 'onSignal'>) {
    this.#off = SIGNALS.map((signal) => env.onSignal(signal, () => this.#take(signal)));
  }

  /** The first signal that came. */
  get signal(): SignalName | undefined {
    return this.#first;
  }

  /** Tells of each signal; `count` is 1 for the first. Tells at once of one that came before. */
  listen(listener: (signal: SignalName, count: number) => void): () => void {
    this.#listeners.add(listener);
    if (this.#first) listener(this.#first, this.#count);
    return () => this.#listeners.delete(listener);
  }

  #take(signal: SignalName): void {
    this.#count += 1;
    this.#first ??= signal;
    for (const listener of this.#listeners) listener(signal, this.#count);
  }

  [Symbol.dispose](): void {
    for (const off of this.#off) off();
  }
}
