import { ArcError } from '../contract/errors.ts';

/**
 * Which slot numbers are taken. They are given round-robin, so that an address comes back as late as it can: connection
 * tracking, caches and clients of the earlier owner have forgotten it by then.
 */
export class Slots {
  readonly #count: number;
  readonly #taken = new Set<number>();
  #last = 0;

  /** Slots are 1 … count. */
  constructor(count: number) {
    this.#count = count;
  }

  get taken(): number {
    return this.#taken.size;
  }

  /** Marks one that was found in use; later ones are given after the highest found. */
  claim(slot: number): void {
    if (slot < 1 || slot > this.#count) return;
    this.#taken.add(slot);
    this.#last = Math.max(this.#last, slot);
  }

  /** Throws at_capacity. */
  take(): number {
    if (this.#taken.size >= this.#count) throw new ArcError('at_capacity', `all ${this.#count} slots are taken`);
    do {
      this.#last = (this.#last % this.#count) + 1;
    } while (this.#taken.has(this.#last));
    this.#taken.add(this.#last);
    return this.#last;
  }

  give(slot: number): void {
    this.#taken.delete(slot);
  }
}
