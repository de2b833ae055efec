import { ArcError } from '../contract/errors.ts';

/** Host ids for slots 1 … `slots`; more are taken with `grow`, which throws at_capacity when the machine has no more. */
export interface GrowingIds {
  readonly slots: number;
  grow(): void;
}

/**
 * Which slot numbers are taken. They are given round-robin, so that an address comes back as late as it can: connection
 * tracking, caches and clients of the earlier owner have forgotten it by then.
 */
export class Slots {
  readonly #count: number;
  readonly #ids: GrowingIds | undefined;
  readonly #taken = new Set<number>();
  #last = 0;

  /** Slots are 1 … count, or as many as there are ids for. */
  constructor(count: number, ids?: GrowingIds) {
    this.#count = count;
    this.#ids = ids;
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
    const room = this.#room();
    if (this.#taken.size >= room) throw new ArcError('at_capacity', `all ${room} slots are taken`);
    do {
      this.#last = (this.#last % room) + 1;
    } while (this.#taken.has(this.#last));
    this.#taken.add(this.#last);
    return this.#last;
  }

  give(slot: number): void {
    this.#taken.delete(slot);
  }

  /** Grown when half of it is taken: a slot that was given back then stays unused for as many creates at least. */
  #room(): number {
    const ids = this.#ids;
    if (ids === undefined) return this.#count;
    if (ids.slots < this.#count && this.#taken.size * 2 >= ids.slots) {
      try {
        ids.grow();
      } catch (error) {
        if (this.#taken.size >= ids.slots) throw error;
      }
    }
    return Math.min(this.#count, ids.slots);
  }
}
