/** Who wants to be told, in words for people, that a sandbox is warned. */
export class Notices {
  readonly #listeners = new Map<string, Set<(text: string) => void>>();

  listen(id: string, listener: (text: string) => void): () => void {
    const set = this.#listeners.get(id) ?? new Set();
    const entry = (text: string) => listener(text);
    this.#listeners.set(id, set.add(entry));
    return () => {
      set.delete(entry);
      if (set.size === 0 && this.#listeners.get(id) === set) this.#listeners.delete(id);
    };
  }

  tell(id: string, text: string): void {
    for (const listener of this.#listeners.get(id) ?? []) listener(text);
  }
}
