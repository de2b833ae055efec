import type { PoolSpec, ResolvedSpec } from '../../../contract/spec.ts';
import { asked, type Demand, noDemand, wanted } from '../../../domain/pool/demand.ts';
import type { PoolFacts } from '../../../domain/pool/plan.ts';
import { floorAt } from '../../../domain/pool/schedule.ts';
import type { PoolWish } from '../../../domain/pool/share.ts';
import type { PoolStatus } from '../../service.ts';
import { RETRY_FACTOR, RETRY_FIRST_MS, RETRY_MAX_MS } from './options.ts';
import type { Warm } from './warm.ts';

const MIB = 1024 ** 2;
/** What a sandbox costs beside what its own cgroup is charged for: kernel objects and our own records. */
const OVERHEAD_BYTES = MIB;
/** Of its memory limit, what one is taken to use until one was measured. */
const GUESS_PART = 1 / 8;
/** Weight of a new measurement. */
const NEW_PART = 0.2;

/** What is known of one template's pool. */
export class Pool {
  readonly template: string;
  readonly spec: ResolvedSpec;
  readonly version: string;
  /** Oldest first; those are handed over first. */
  readonly ready: Warm[] = [];
  readonly starting = new Set<string>();
  target = 0;
  /** How many of its floor don't fit. */
  short = 0;
  hits = 0;
  misses = 0;
  unfit = 0;
  #demand: Demand;
  #bytesEach: number;
  #measured = 0;
  #failures = 0;
  #proven = false;
  #problem: string | undefined;
  #retryAt = 0;

  constructor(template: string, spec: ResolvedSpec, version: string, at: number) {
    this.template = template;
    this.spec = spec;
    this.version = version;
    this.#demand = noDemand(at);
    this.#bytesEach = Math.ceil(spec.limits.memoryBytes * GUESS_PART) + OVERHEAD_BYTES;
  }

  get bounds(): PoolSpec {
    return this.spec.pool ?? { min: 0, max: 0, env: 'command' };
  }

  /** A create asks for one, whatever it then gets. */
  asked(at: number): void {
    this.#demand = asked(this.#demand, at);
  }

  /** How many are to be ready at least. @param now of the wall clock, which schedules go by */
  floor(now: number): number {
    const { min, schedule = [] } = this.bounds;
    return floorAt(min, schedule, now);
  }

  /** @param now of the wall clock, and `at` of the monotonic one at the same moment */
  wish(now: number, at: number): PoolWish {
    const min = this.floor(now);
    return {
      template: this.template,
      min,
      wanted: wanted(this.#demand, { min, max: this.bounds.max }, at),
      bytesEach: this.#bytesEach,
    };
  }

  facts(at: number): PoolFacts {
    return {
      template: this.template,
      target: this.target,
      ready: this.ready.length,
      starting: this.starting.size,
      proven: this.#proven,
      waits: at < this.#retryAt,
    };
  }

  /** @param bytes what its cgroup is charged for, where that could be read. `true`: it is the first after failures. */
  cameUp(bytes: number | undefined): boolean {
    const recovered = this.#failures > 0;
    this.#failures = 0;
    this.#proven = true;
    this.#problem = undefined;
    this.#retryAt = 0;
    if (bytes !== undefined) {
      const each = bytes + OVERHEAD_BYTES;
      this.#bytesEach = this.#measured === 0 ? each : this.#bytesEach * (1 - NEW_PART) + each * NEW_PART;
      this.#measured += 1;
    }
    return recovered;
  }

  /** `true`: it is the first failure after it went well. */
  failed(why: string, at: number): boolean {
    this.#failures += 1;
    this.#proven = false;
    this.#problem = why;
    this.#retryAt = at + Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * RETRY_FACTOR ** (this.#failures - 1));
    return this.#failures === 1;
  }

  /** @param now of the wall clock, and `at` of the monotonic one at the same moment */
  status(now: number, at: number): PoolStatus {
    const { max } = this.bounds;
    const min = this.floor(now);
    const { template, target, short, hits, misses, unfit } = this;
    const tight = short > 0 ? `only ${min - short} of at least ${min} fit in the node's memory for pools` : undefined;
    const problem = this.#problem ?? tight;
    return {
      ...{ template, min, max, target, hits, misses, unfit },
      ready: this.ready.length,
      starting: this.starting.size,
      ...(problem === undefined ? {} : { problem }),
      ...(this.#retryAt > at ? { retryAt: now + this.#retryAt - at } : {}),
    };
  }
}
