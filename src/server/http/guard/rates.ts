import { isIPv6 } from 'node:net';
import { ArcError } from '../../../contract/errors.ts';
import { spend } from '../../../domain/rate.ts';
import type { Clock } from '../../../kit/clock.ts';
import type { Caller } from '../../service.ts';

/** How often may be asked; 0: as often as one likes. */
export interface RateLimits {
  /** Requests a second of one owner. Who operates Arc has no such limit. */
  readonly perOwner: number;
  /** Requests a second without a valid key, from one address (IPv6: a /64). */
  readonly perAddress: number;
}

export const RATES_DEFAULT: RateLimits = { perOwner: 100, perAddress: 10 };

/** So many seconds' worth may come at once. */
const BURST_S = 10;
/** Who is remembered at most; those who asked the longest ago are forgotten, which gives them a full measure again. */
const KNOWN_MAX = 20_000;

/** Buckets in memory: after a restart everybody has a full measure. */
export class Rates {
  readonly #clock: Clock;
  readonly #limits: RateLimits;
  readonly #buckets = new Map<string, number>();

  constructor(clock: Clock, limits: RateLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Throws rate_limited. */
  known(caller: Caller): void {
    if (caller.scopes.includes('admin')) return;
    const retryAfterMs = this.spend(`owner/${caller.owner}`, this.#limits.perOwner);
    if (retryAfterMs === undefined) return;
    throw new ArcError('rate_limited', `${caller.owner} asks more often than it may`, { extra: { retryAfterMs } });
  }

  /** Whoever has a valid key is not held up by what comes without one from the same address. Throws rate_limited. */
  unknown(address: string | undefined): void {
    const retryAfterMs = this.spend(`address/${networkOf(address ?? '')}`, this.#limits.perAddress);
    if (retryAfterMs === undefined) return;
    throw new ArcError('rate_limited', 'too much was asked from this address without a valid key', {
      extra: { retryAfterMs },
    });
  }

  /** ms to wait for; undefined: it fits. */
  spend(bucket: string, perSecond: number): number | undefined {
    if (perSecond === 0) return undefined;
    const emptyAt = this.#buckets.get(bucket) ?? 0;
    const spent = spend(emptyAt, { now: this.#clock.monotonic(), cost: 1_000 / perSecond, most: BURST_S * 1_000 });
    if (!spent.ok) return spent.retryMs;
    // Put at the end again: the map is in the order of the last use.
    this.#buckets.delete(bucket);
    this.#buckets.set(bucket, spent.emptyAt);
    if (this.#buckets.size > KNOWN_MAX) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return undefined;
  }
}

/** Whoever has an IPv6 address has at least a /64 of them. */
export function networkOf(address: string): string {
  const bare = address.replace(/^::ffff:(?=[0-9.]+$)/, '').replace(/%.*$/, '');
  if (!isIPv6(bare)) return bare;
  const [head = '', tail] = bare.split('::');
  const parts = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - parts.length - after.length;
  return [...parts, ...Array<string>(Math.max(0, zeros)).fill('0'), ...after].slice(0, 4).join(':');
}
