import type { Limits } from '../../contract/spec.ts';
import type { Level } from '../../contract/states.ts';
import type { Facts } from './facts.ts';

/** What must be so, at one level on one machine. */
export interface Expectation {
  readonly level: Level;
  /** `shared`: the program's calls go to the kernel of this machine. */
  readonly kernel: 'shared' | 'own';
  /** Numbers of the system calls that the list lets through, and those where the arguments decide. */
  readonly calls: ReadonlySet<number>;
  readonly callName: (number: number) => string;
  readonly limits: Limits;
  /** Names of variables that were given. */
  readonly env: readonly string[];
  /** `/proc/version` and the name of this machine. */
  readonly version: string;
  readonly hostname: string;
  /** Names of namespaces (`user:[4026531837]`) that are the host's or the neighbour's. */
  readonly othersNamespaces: ReadonlySet<string>;
  /** Words of targets that no sandbox may reach, whatever its network policy. */
  readonly refusedTargets: ReadonlySet<string>;
  /** Words of what the neighbour tries, which has no network at all. */
  readonly noNetworkTargets: ReadonlySet<string>;
}

/** One thing that must be so. Given the facts of one way in, it says what is wrong, in words. */
export interface Check {
  readonly id: string;
  readonly title: string;
  /** Why it says nothing where the program has a kernel of its own; absent: it does. */
  readonly ownKernel?: string;
  find(facts: Facts, expected: Expectation): readonly string[];
}

/** Something that must have been seen: without it the adversary was kept from looking, and nothing is proven. */
export function seen(facts: Facts, key: string): readonly string[] {
  return facts.of(key).length === 0 ? [`it told nothing of "${key}"`] : [];
}
