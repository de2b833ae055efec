import type { HookTry } from '../../service.ts';

/** Tries that are kept of each kind for one hook: those that were taken push out none that were not. */
export const TRIES_KEPT = 50;

/** The last tries of one hook, for people who ask why nothing arrives. Of this run of the server only. */
export class RecentTries {
  readonly #taken: HookTry[] = [];
  readonly #failed: HookTry[] = [];

  note(one: HookTry): void {
    const kept = one.outcome === 'taken' ? this.#taken : this.#failed;
    kept.push(one);
    if (kept.length > TRIES_KEPT) kept.shift();
  }

  /** The newest first. */
  list(): readonly HookTry[] {
    return [...this.#taken, ...this.#failed].sort((a, b) => b.at - a.at || b.event - a.event);
  }
}
