import type { Clock } from '../../kit/clock.ts';

/** A name that a sandbox asked for in vain. */
export interface RefusedName {
  readonly name: string;
  /** `not-allowed`: no allow-list names it. `refused-address`: it leads to where no sandbox may connect to. */
  readonly why: 'not-allowed' | 'refused-address';
  readonly address?: string;
}

export interface RefusedNameCount extends RefusedName {
  readonly count: number;
  /** ms since the epoch. */
  readonly lastAt: number;
}

/** Different names of one sandbox, and sandboxes; what was refused longest ago makes room. */
const NAMES_MAX = 64;
const SANDBOXES_MAX = 4096;

/** The last names that were refused, by the address of who asked. */
export class RefusedNames {
  readonly #clock: Clock;
  readonly #kept = new Map<string, Map<string, RefusedNameCount>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(address: string, refused: RefusedName): void {
    const mine = this.#kept.get(address) ?? new Map<string, RefusedNameCount>();
    const before = mine.get(refused.name);
    mine.delete(refused.name);
    mine.set(refused.name, { ...refused, count: (before?.count ?? 0) + 1, lastAt: this.#clock.now() });
    this.#kept.delete(address);
    this.#kept.set(address, mine);
    trim(mine, NAMES_MAX);
    trim(this.#kept, SANDBOXES_MAX);
  }

  /** Newest first. */
  of(address: string): readonly RefusedNameCount[] {
    return [...(this.#kept.get(address)?.values() ?? [])].reverse();
  }

  forget(address: string): void {
    this.#kept.delete(address);
  }
}

function trim(map: Map<string, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
