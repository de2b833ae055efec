import { type Answer, type RetryLimits, retryIn } from './retry.ts';

/** One message on its way. Times are monotonic ms. */
export interface Delivery<T> {
  readonly seq: number;
  /** Messages of the same subject arrive in order. */
  readonly subject: string;
  readonly value: T;
  /** Then it is given up. */
  readonly until: number;
}

interface Entry<T> extends Delivery<T> {
  tries: number;
  nextAt: number;
  sending: boolean;
}

/** Failures in a row from which on the receiver is held to be down, and not just to dislike one message. */
const OUTAGE_FAILURES = 3;

/**
 * The messages of one hook that are on their way: of each subject the oldest first and one at a time, of different
 * subjects several. While the receiver is down one is tried now and then, each time another.
 */
export class Deliveries<T> {
  readonly #limits: RetryLimits;
  /** In the order of their numbers. */
  readonly #all = new Map<number, Entry<T>>();
  readonly #lanes = new Map<string, Entry<T>[]>();
  #sending = 0;
  #failures = 0;
  #waitUntil = 0;

  constructor(limits: RetryLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all.size;
  }

  get failures(): number {
    return this.#failures;
  }

  /** Everything up to this number is done with. @param read everything up to this was added, where it was wanted. */
  cursor(read: number): number {
    const [oldest] = this.#all.keys();
    return oldest === undefined ? read : oldest - 1;
  }

  add(delivery: Delivery<T>): void {
    const entry = { ...delivery, tries: 0, nextAt: 0, sending: false };
    this.#all.set(entry.seq, entry);
    const lane = this.#lanes.get(entry.subject);
    if (lane) lane.push(entry);
    else this.#lanes.set(entry.subject, [entry]);
  }

  /** What is to be sent now; whoever takes it settles it. */
  take(now: number, atOnce: number): readonly Delivery<T>[] {
    if (now < this.#waitUntil) return [];
    const room = (this.#failures > 0 ? 1 : atOnce) - this.#sending;
    if (room <= 0) return [];
    const ready = [...this.#heads()].filter(({ sending, nextAt }) => !sending && nextAt <= now);
    const chosen = ready.sort((a, b) => a.tries - b.tries || a.seq - b.seq).slice(0, room);
    for (const entry of chosen) entry.sending = true;
    this.#sending += chosen.length;
    return chosen;
  }

  /** Removes those whose time is over, and gives them. */
  giveUp(now: number): readonly Delivery<T>[] {
    const over = [...this.#all.values()].filter(({ until, sending }) => !sending && until <= now);
    for (const entry of over) this.#remove(entry);
    return over;
  }

  settle(seq: number, answer: Answer, now: number, chance: number): void {
    const entry = this.#all.get(seq);
    if (!entry?.sending) return;
    entry.sending = false;
    this.#sending -= 1;
    if (answer.kind === 'down') this.#failures += 1;
    else this.#reached(now);
    if (answer.kind === 'taken' || answer.kind === 'ended') {
      this.#remove(entry);
      return;
    }
    entry.tries += 1;
    entry.nextAt = now + retryIn(entry.tries, answer.retryAfterMs, chance, this.#limits);
    if (answer.kind === 'down') {
      this.#waitUntil = now + retryIn(this.#failures, answer.retryAfterMs, chance, this.#limits);
    }
  }

  /** When there may be something to do next, without news; undefined: never. */
  nextAt(): number | undefined {
    let next: number | undefined;
    for (const { sending, nextAt, until } of this.#heads()) {
      if (sending) continue;
      const at = Math.min(until, Math.max(nextAt, this.#waitUntil));
      if (next === undefined || at < next) next = at;
    }
    return next;
  }

  /** It is there again: nobody waits any longer for what only its absence made wait. */
  #reached(now: number): void {
    if (this.#failures >= OUTAGE_FAILURES) {
      for (const entry of this.#all.values()) entry.nextAt = Math.min(entry.nextAt, now);
    }
    this.#failures = 0;
    this.#waitUntil = 0;
  }

  *#heads(): Generator<Entry<T>> {
    for (const [head] of this.#lanes.values()) if (head) yield head;
  }

  #remove(entry: Entry<T>): void {
    this.#all.delete(entry.seq);
    const lane = (this.#lanes.get(entry.subject) ?? []).filter((other) => other !== entry);
    if (lane.length > 0) this.#lanes.set(entry.subject, lane);
    else this.#lanes.delete(entry.subject);
  }
}
