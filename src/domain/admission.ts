import { ArcError } from '../contract/errors.ts';

/** What may begin now and what waits, in the order of asking. Decides only; who starts things asks it. */
export interface AdmissionLimits {
  /** Starts at once. */
  readonly startsMax: number;
  /** Sandboxes waiting for their turn. */
  readonly queueMax: number;
}

/** @typeParam T what to remember with each that waits. */
export class Admission<T = undefined> {
  readonly #limits: AdmissionLimits;
  readonly #waiting = new Map<string, T>();
  readonly #starting = new Set<string>();

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  has(id: string): boolean {
    return this.#waiting.has(id) || this.#starting.has(id);
  }

  get starting(): number {
    return this.#starting.size;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Its turn at once, where nobody waits and there is room. */
  tryBegin(id: string): boolean {
    if (this.#waiting.size > 0 || this.#starting.size >= this.#limits.startsMax) return false;
    this.#starting.add(id);
    return true;
  }

  /** A turn for work in the background: where nobody waits, and one place stays free for the next who asks. */
  tryBehind(id: string): boolean {
    if (this.#waiting.size > 0 || this.#starting.size >= Math.max(1, this.#limits.startsMax - 1)) return false;
    this.#starting.add(id);
    return true;
  }

  /** Throws at_capacity before anything of a new sandbox is written. What was accepted earlier is never refused. */
  checkRoom(): void {
    if (this.#waiting.size >= this.#limits.queueMax) {
      throw new ArcError('at_capacity', `${this.#waiting.size} sandboxes wait for their start already`);
    }
  }

  push(id: string, remember: T): void {
    if (!this.has(id)) this.#waiting.set(id, remember);
  }

  /** The next whose turn it is, if there is room. */
  next(): { readonly id: string; readonly remembered: T } | undefined {
    if (this.#starting.size >= this.#limits.startsMax) return undefined;
    const [first] = this.#waiting;
    if (!first) return undefined;
    const [id, remembered] = first;
    this.#waiting.delete(id);
    this.#starting.add(id);
    return { id, remembered };
  }

  /** Its start is over, or it waits no more. */
  leave(id: string): void {
    this.#waiting.delete(id);
    this.#starting.delete(id);
  }

  /** 1: the next one. `undefined`: it does not wait. */
  position(id: string): number | undefined {
    if (!this.#waiting.has(id)) return undefined;
    let place = 0;
    for (const waiting of this.#waiting.keys()) {
      place += 1;
      if (waiting === id) return place;
    }
    return undefined;
  }
}
