/** Who wants to hear of new events. One that throws disturbs neither the commit nor the others. */
export class Listeners {
  readonly #listeners = new Set<{ readonly call: () => void }>();

  add(call: () => void): () => void {
    const entry = { call };
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  tell(): void {
    for (const { call } of [...this.#listeners]) {
      try {
        call();
      } catch {
        // A listener's fault is its own: what was committed stays committed.
      }
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}
