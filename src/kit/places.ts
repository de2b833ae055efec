/** So many at the same time; who comes when all places are taken waits, in the order of asking. */
export class Places {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((turn) => this.#waiting.push(turn));
    try {
      return await work();
    } finally {
      // Handed on, so that nobody who comes just now gets in before who has waited.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}
