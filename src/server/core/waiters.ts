import type { SandboxRow } from './row.ts';

interface Waiter {
  readonly incarnation: number;
  readonly resolve: (row: SandboxRow) => void;
  readonly reject: (error: unknown) => void;
}

/** Who waits for a sandbox to run, or to be known not to. */
export class Waiters {
  readonly #waiting = new Map<string, Set<Waiter>>();

  wait(id: string, incarnation: number): { readonly promise: Promise<SandboxRow>; readonly leave: () => void } {
    const { promise, resolve, reject } = Promise.withResolvers<SandboxRow>();
    const waiter = { incarnation, resolve, reject };
    const set = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, set.add(waiter));
    promise.catch(() => {});
    return { promise, leave: () => this.#leave(id, waiter) };
  }

  resolve(row: SandboxRow): void {
    this.#each(row.id, row.incarnation, (waiter) => waiter.resolve(row));
  }

  reject(row: SandboxRow, error: unknown): void {
    this.#each(row.id, row.incarnation, (waiter) => waiter.reject(error));
  }

  rejectAll(error: unknown): void {
    for (const set of this.#waiting.values()) for (const waiter of set) waiter.reject(error);
    this.#waiting.clear();
  }

  #each(id: string, incarnation: number, tell: (waiter: Waiter) => void): void {
    for (const waiter of this.#waiting.get(id) ?? []) {
      if (waiter.incarnation > incarnation) continue;
      this.#leave(id, waiter);
      tell(waiter);
    }
  }

  #leave(id: string, waiter: Waiter): void {
    const set = this.#waiting.get(id);
    set?.delete(waiter);
    if (set?.size === 0) this.#waiting.delete(id);
  }
}
