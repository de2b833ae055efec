import type { Clock } from './clock.ts';

interface Entry {
  readonly key: string;
  /** Monotonic ms. */
  readonly at: number;
}

/**
 * When to look at what, for any number of keys with one timer: a heap by time. Setting a key again replaces its time;
 * what was there before is skipped when its turn comes.
 */
export class Agenda {
  readonly #clock: Clock;
  readonly #due: (key: string) => void;
  readonly #heap: Entry[] = [];
  readonly #current = new Map<string, Entry>();
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;
  #closed = false;

  constructor(clock: Clock, due: (key: string) => void) {
    this.#clock = clock;
    this.#due = due;
  }

  get size(): number {
    return this.#current.size;
  }

  has(key: string): boolean {
    return this.#current.has(key);
  }

  /** Calls `due` once, `ms` from now. */
  set(key: string, ms: number): void {
    const entry = { key, at: this.#clock.monotonic() + Math.max(0, Math.ceil(ms)) };
    this.#current.set(key, entry);
    this.#push(entry);
    // Mostly replaced entries: begin again with those that count.
    if (this.#heap.length > 2 * this.#current.size + STALE_ENTRIES_MAX) this.#rebuild();
    this.#arm();
  }

  delete(key: string): void {
    this.#current.delete(key);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#current.clear();
    this.#heap.length = 0;
  }

  #arm(): void {
    const next = this.#heap[0];
    if (this.#closed || !next || (this.#timer && this.#timer.at <= next.at)) return;
    this.#timer?.cancel();
    const wait = Math.min(TIMER_MS_MAX, Math.max(0, next.at - this.#clock.monotonic()));
    this.#timer = { at: next.at, cancel: this.#clock.after(wait, () => this.#run()) };
  }

  #run(): void {
    this.#timer = undefined;
    const now = this.#clock.monotonic();
    for (let next = this.#heap[0]; next && next.at <= now; next = this.#heap[0]) {
      this.#pop();
      if (this.#current.get(next.key) !== next) continue;
      this.#current.delete(next.key);
      this.#due(next.key);
    }
    this.#arm();
  }

  #rebuild(): void {
    this.#heap.length = 0;
    for (const entry of this.#current.values()) this.#push(entry);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Entry;
      if (above.at <= entry.at) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as Entry).at < (heap[child] as Entry).at) child += 1;
      if ((heap[child] as Entry).at >= last.at) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
  }
}

/** Longest single timer; node's own end at 2^31 ms. */
const TIMER_MS_MAX = 86_400_000;
/** Replaced entries that are always let be. */
const STALE_ENTRIES_MAX = 1_000;
