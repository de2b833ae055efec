import type { NetworkPolicy } from '../../contract/spec.ts';
import { allowsName } from '../../domain/network/allow-list.ts';

export interface LookedUp {
  readonly address: string;
  readonly seconds: number;
}

/** Of one sandbox; beyond it the one that is over first makes room. */
const ADDRESSES_MAX = 1024;

/** Addresses that were answered to one sandbox and may be connected to until their time is over. */
export class Answered {
  readonly #until = new Map<string, { readonly name: string; readonly until: number }>();

  /** Gives what had to make room. @param now monotonic ms */
  note(name: string, found: readonly LookedUp[], now: number): readonly string[] {
    for (const [address, { until }] of this.#until) if (until <= now) this.#until.delete(address);
    for (const { address, seconds } of found) {
      this.#until.delete(address);
      this.#until.set(address, { name, until: now + seconds * 1000 });
    }
    const over = [...this.#until]
      .sort(([, a], [, b]) => a.until - b.until)
      .slice(0, Math.max(0, this.#until.size - ADDRESSES_MAX))
      .map(([address]) => address);
    for (const address of over) this.#until.delete(address);
    return over;
  }

  /** Forgets what a new policy does not name, and gives it. */
  narrow(policy: NetworkPolicy): readonly string[] {
    const gone = [...this.#until].filter(([, { name }]) => typeof policy === 'string' || !allowsName(policy, name));
    for (const [address] of gone) this.#until.delete(address);
    return gone.map(([address]) => address);
  }

  /** What is still alive, for a table that is loaded anew. */
  left(now: number): readonly LookedUp[] {
    return [...this.#until]
      .map(([address, { until }]) => ({ address, seconds: Math.ceil((until - now) / 1000) }))
      .filter(({ seconds }) => seconds > 0);
  }
}
