/** One at a time for each key, in the order of asking. A key that nobody holds costs nothing. */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<void>>();

  busy(key: string): boolean {
    return this.#tails.has(key);
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tails.set(key, promise);
    try {
      if (before) await before;
      return await work();
    } finally {
      if (this.#tails.get(key) === promise) this.#tails.delete(key);
      resolve();
    }
  }

  /** Does nothing and gives `undefined` when somebody holds the key. */
  async tryRun<T>(key: string, work: () => Promise<T>): Promise<T | undefined> {
    return this.busy(key) ? undefined : await this.run(key, work);
  }
}

/** Many may be inside together, or one alone. Who waits for being alone goes before those who come later. */
export class SharedGate {
  #sharing = 0;
  #alone: Promise<void> = Promise.resolve();
  #held = false;
  #waiting = 0;
  #emptied: (() => void) | undefined;

  get idle(): boolean {
    return this.#sharing === 0 && !this.#held && this.#waiting === 0;
  }

  async shared<T>(work: () => Promise<T>): Promise<T> {
    while (this.#held || this.#waiting > 0) await this.#alone;
    this.#sharing += 1;
    try {
      return await work();
    } finally {
      this.#sharing -= 1;
      if (this.#sharing === 0) this.#emptied?.();
    }
  }

  async alone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#alone;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#alone = promise;
    this.#waiting += 1;
    await before;
    if (this.#sharing > 0) {
      await new Promise<void>((emptied) => {
        this.#emptied = emptied;
      });
      this.#emptied = undefined;
    }
    this.#waiting -= 1;
    this.#held = true;
    try {
      return await work();
    } finally {
      this.#held = false;
      resolve();
    }
  }
}
