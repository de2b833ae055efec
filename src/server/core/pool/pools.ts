import { createHash } from 'node:crypto';
import type { ResolvedSpec, RootRef } from '../../../contract/spec.ts';
import { refill } from '../../../domain/pool/plan.ts';
import { type MemoryFacts, squeezed } from '../../../domain/pool/pressure.ts';
import { share } from '../../../domain/pool/share.ts';
import type { Held } from '../../../engines/engine.ts';
import type { Images } from '../../../host/images.ts';
import { Places } from '../../../kit/places.ts';
import type { EventRecord, PoolStatus, TemplateRecord } from '../../service.ts';
import type { Core } from '../context.ts';
import type { Jobs } from '../jobs.ts';
import { PAGE_ROWS } from '../options.ts';
import { FIT_AT_ONCE, MEASURE_EVERY, MEASURE_FIRST, POOL_TICK_MS, REFILL_PAUSE_MS, YIELD_COUNT } from './options.ts';
import { Pool } from './pool.ts';
import { newWarm, startWarm } from './starts.ts';
import { deleteWarm, WARM, type Warm, type WarmDoc } from './warm.ts';

/** Whose events those of pools are. */
const SYSTEM = 'system';

/**
 * Keeps warm sandboxes ready. What should be there is decided in `domain/pool`; this starts them, in the background and
 * behind everybody's own creates, hands them to claims, takes them up again after a crash, and lets them go.
 */
export class Pools {
  /** Those that are being prepared for their claimers. */
  readonly fitting = new Places(FIT_AT_ONCE);
  readonly #core: Core;
  readonly #jobs: Jobs;
  readonly #images: Images;
  readonly #pools = new Map<string, Pool>();
  /** All that the store has, in whatever phase, and none that was claimed. */
  readonly #warm = new Map<string, Warm>();
  readonly #unsure = new Set<string>();
  /** To be removed; again and again until it is. */
  readonly #leaving = new Set<string>();
  readonly #runs = new Set<Promise<void>>();
  #squeeze = 1;
  #creates = 0;
  #started = 0;
  #open = false;
  #kicked = false;
  #refilling = false;
  #cancelTick: () => void = () => {};
  #cancelRefill: () => void = () => {};

  constructor(core: Core, parts: { jobs: Jobs; images: Images }) {
    this.#core = core;
    this.#jobs = parts.jobs;
    this.#images = parts.images;
  }

  // ---- for claims -------------------------------------------------------------------------------------------------

  /** Notes that one is asked for. */
  asked(template: string): Pool | undefined {
    const pool = this.#pools.get(template);
    pool?.asked(this.#core.clock.monotonic());
    return pool;
  }

  /** While somebody's create is under way, pools are filled one at a time. */
  async behind<T>(create: () => Promise<T>): Promise<T> {
    this.#creates += 1;
    try {
      return await create();
    } finally {
      this.#creates -= 1;
      this.#refillSoon();
    }
  }

  /** It is a sandbox of somebody now. */
  forget(warm: Warm): void {
    this.#warm.delete(warm.id);
    this.#refillSoon();
  }

  /** Takes it away in the background, whatever it is doing; it must not be among the ready ones any more. */
  discard(warm: Warm): void {
    if (this.#leaving.has(warm.id)) return;
    this.#leaving.add(warm.id);
    this.#jobs.cancel(warm.id, new Error('its pool has no use for it'));
    this.#track(this.#remove(warm));
  }

  /** Lets some go, for a create that finds no room on the node. `false`: there are none. */
  async makeRoom(): Promise<boolean> {
    const victims = this.#readyOnes().slice(0, YIELD_COUNT);
    for (const warm of victims) this.#take(warm);
    await Promise.all(victims.map((warm) => this.#remove(warm)));
    return victims.length > 0;
  }

  // ---- for what happens to them -----------------------------------------------------------------------------------

  holds(id: string): boolean {
    return this.#warm.has(id);
  }

  get size(): number {
    return this.#warm.size;
  }

  /** Its program ended, or what ran of it is gone: it is replaced. */
  exited(id: string, exit: NonNullable<Warm['exit']>): void {
    const warm = this.#warm.get(id);
    if (!warm) return;
    warm.exit ??= exit;
    if (this.#take(warm)) {
      this.#pools.get(warm.doc.template)?.failed('a warm sandbox ended while it waited', this.#now());
      this.discard(warm);
    }
  }

  /** Reads what an earlier run left. Nothing of it is handed over before the engine says that it runs. */
  async load(): Promise<void> {
    for (let after: string | undefined; ; ) {
      const query = { kind: WARM, limit: PAGE_ROWS, ...(after === undefined ? {} : { after }) };
      const page = await this.#core.store.list<WarmDoc>(query);
      for (const { id, value, revision } of page) {
        this.#warm.set(id, { id, doc: value, revision });
        this.#unsure.add(id);
      }
      after = page.at(-1)?.id;
      if (page.length < PAGE_ROWS) return;
    }
  }

  /** Ids that a look at the engine may speak of; to be asked for before it. */
  known(): ReadonlySet<string> {
    return new Set([...this.#unsure, ...this.#readyOnes().map((warm) => warm.id)]);
  }

  /** Takes up what runs, and removes what does not. @param known what was known before the engine was asked */
  settle(known: ReadonlySet<string>, held: readonly Held[]): void {
    const running = new Map(held.filter((thing) => thing.phase === 'running').map((thing) => [thing.id, thing]));
    for (const id of known) {
      const warm = this.#warm.get(id);
      const unsure = this.#unsure.delete(id);
      if (!warm) continue;
      const thing = running.get(id);
      const there = thing?.phase === 'running' && thing.placement.address === warm.doc.placement?.address;
      const pool = this.#pools.get(warm.doc.template);
      if (!there && (unsure || this.#take(warm))) this.discard(warm);
      else if (unsure && warm.doc.phase === 'ready' && pool?.version === warm.doc.version) pool.ready.push(warm);
      else if (unsure) this.discard(warm);
    }
  }

  /** From here on they are filled. */
  open(): void {
    if (this.#open) return;
    this.#open = true;
    this.#tick();
  }

  close(): void {
    this.#cancelTick();
    this.#cancelRefill();
  }

  async ended(): Promise<void> {
    await Promise.all(this.#runs);
  }

  // ---- for templates ----------------------------------------------------------------------------------------------

  /** A template is there, from the start or from now on. */
  async added(record: TemplateRecord): Promise<void> {
    const { name } = record.template;
    const { pool, root } = record.resolved;
    if (!pool || pool.max === 0) return;
    const lowers = await this.#images.resolve(root).catch(() => undefined);
    const text = JSON.stringify([record.resolved, lowers]);
    const version = createHash('sha256').update(text).digest('hex');
    this.#pools.set(name, new Pool(name, usual(record.resolved), version, this.#now()));
    this.kick();
  }

  /** It is about to go: nothing of it is handed over any more. */
  leaving(name: string): void {
    const pool = this.#pools.get(name);
    this.#pools.delete(name);
    for (const warm of this.#warm.values()) if (warm.doc.template === name && this.#idle(warm)) this.discard(warm);
    pool?.ready.splice(0);
  }

  roots(): readonly RootRef[] {
    return [...this.#warm.values()].map((warm) => warm.doc.spec.root);
  }

  status(name: string): PoolStatus | undefined {
    return this.#pools.get(name)?.status(this.#core.clock.now(), this.#now());
  }

  statuses(): readonly PoolStatus[] {
    return [...this.#pools.values()].map((pool) => pool.status(this.#core.clock.now(), this.#now()));
  }

  // ---- filling ----------------------------------------------------------------------------------------------------

  /** Something changed: looks again as soon as what is under way lets go. */
  kick(): void {
    if (!this.#open || this.#kicked || this.#pools.size === 0) return;
    this.#kicked = true;
    queueMicrotask(() => {
      this.#kicked = false;
      this.#fill();
    });
  }

  /** Who has just got one asks it something next: a start that takes its place does not run into that first request. */
  #refillSoon(): void {
    if (!this.#open || this.#refilling || this.#pools.size === 0) return;
    this.#refilling = true;
    this.#cancelRefill = this.#core.clock.after(REFILL_PAUSE_MS, () => {
      this.#refilling = false;
      this.kick();
    });
  }

  #tick(): void {
    const { clock, closing } = this.#core;
    if (closing.aborted) return;
    this.#track(this.#look());
    this.#cancelTick = clock.after(POOL_TICK_MS, () => this.#tick());
  }

  /** Memory first: whatever is decided next goes by what is left of it. */
  async #look(): Promise<void> {
    const memory = await this.#memory();
    if (memory) this.#squeeze = squeezed(this.#squeeze, memory);
    for (const id of this.#leaving) {
      const warm = this.#warm.get(id);
      if (warm) this.#track(this.#remove(warm));
    }
    this.#fill();
  }

  async #memory(): Promise<MemoryFacts | undefined> {
    try {
      return await this.#core.engine.memoryPressure?.();
    } catch (error) {
      this.#core.logger.warn({ error }, 'the memory of the node could not be read');
      return undefined;
    }
  }

  #fill(): void {
    const { closing, options } = this.#core;
    if (!this.#open || closing.aborted) return;
    const at = this.#now();
    const now = this.#core.clock.now();
    const pools = [...this.#pools.values()];
    const wishes = pools.map((pool) => pool.wish(now, at));
    for (const { template, target, short } of share(wishes, options.warmBytes, this.#squeeze)) {
      const pool = this.#pools.get(template);
      if (!pool) continue;
      pool.target = target;
      if (short > 0 && pool.short === 0) this.#tell(pool, tooSmall(pool.floor(now), short));
      pool.short = short;
    }
    const starting = pools.reduce((sum, pool) => sum + pool.starting.size, 0);
    const atOnce = Math.max(1, Math.floor(options.startsMax / 2));
    const places = options.sandboxesMax - this.#core.rows.present - this.#warm.size;
    const room = Math.min((this.#creates > 0 ? 1 : atOnce) - starting, places);
    // People's own come first: what is warm gives its place to them.
    for (const warm of this.#readyOnes().slice(0, Math.max(0, -places))) if (this.#take(warm)) this.discard(warm);
    const plan = refill(
      pools.map((pool) => pool.facts(at)),
      room,
      atOnce,
    );
    for (const template of plan.start) if (!this.#start(template)) break;
    for (const { template, count } of plan.remove) {
      // The newest go: those that have waited longest are handed over next.
      for (const warm of this.#pools.get(template)?.ready.splice(-count) ?? []) this.discard(warm);
    }
  }

  #start(template: string): boolean {
    const pool = this.#pools.get(template);
    if (!pool) return false;
    const doc = newWarm(this.#core, pool);
    if (!this.#core.admission.tryBehind(doc.id)) return false;
    const warm: Warm = { id: doc.id, doc, revision: 0 };
    this.#warm.set(warm.id, warm);
    pool.starting.add(warm.id);
    this.#track(this.#startOne(pool, warm));
    return true;
  }

  async #startOne(pool: Pool, warm: Warm): Promise<void> {
    const { admission, closing, lanes, logger } = this.#core;
    try {
      await lanes.run(warm.id, () => startWarm(this.#core, this.#jobs, warm));
      const bytes = await this.#measured(warm);
      if (this.#pools.get(pool.template) !== pool || warm.exit) throw new Error('it is of no use any more');
      pool.ready.push(warm);
      if (pool.cameUp(bytes)) this.#tell(pool, 'warm sandboxes of it start again');
    } catch (error) {
      // What the next run of Arc finds half-made it removes.
      if (closing.aborted) return;
      this.#failed(pool, warm, error instanceof Error ? error : new Error(String(error)));
      logger.info({ sandbox: warm.id, template: pool.template, error }, 'a warm sandbox could not be started');
      this.discard(warm);
    } finally {
      pool.starting.delete(warm.id);
      admission.leave(warm.id);
      this.kick();
    }
  }

  #failed(pool: Pool, warm: Warm, error: Error): void {
    if (this.#leaving.has(warm.id) || this.#pools.get(pool.template) !== pool) return;
    const cause = error.cause instanceof Error ? error.cause.message : error.message;
    if (pool.failed(error.message, this.#now())) this.#tell(pool, `no warm sandbox of it can be started: ${cause}`);
  }

  /** What it takes of memory, for the first of a pool and then now and again. */
  async #measured(warm: Warm): Promise<number | undefined> {
    this.#started += 1;
    if (this.#started > MEASURE_FIRST && this.#started % MEASURE_EVERY !== 0) return undefined;
    try {
      return (await this.#core.engine.stats?.stats(warm.doc))?.memoryBytes;
    } catch {
      // It may be gone already; what it takes is then guessed as before.
      return undefined;
    }
  }

  // ---- letting go -------------------------------------------------------------------------------------------------

  #readyOnes(): readonly Warm[] {
    return [...this.#pools.values()].flatMap((pool) => pool.ready);
  }

  /** Takes it out of those that wait. `false`: it was not among them, and belongs to whoever has it. */
  #take(warm: Warm): boolean {
    const ready = this.#pools.get(warm.doc.template)?.ready ?? [];
    const index = ready.indexOf(warm);
    if (index >= 0) ready.splice(index, 1);
    return index >= 0;
  }

  /** Nobody is claiming it. */
  #idle(warm: Warm): boolean {
    const pool = this.#pools.get(warm.doc.template);
    return !pool || pool.ready.includes(warm) || pool.starting.has(warm.id);
  }

  /** What is not in the store as warm any more was claimed, or never was there. */
  async #remove(warm: Warm): Promise<void> {
    const { calls, lanes, logger, store } = this.#core;
    this.#leaving.add(warm.id);
    try {
      await lanes.run(warm.id, async () => {
        if (!this.#warm.has(warm.id)) return;
        const doc = await store.get<WarmDoc>(WARM, warm.id);
        if (doc) {
          await calls.destroy(warm.doc);
          await store.commit([deleteWarm({ ...warm, revision: doc.revision })]);
        }
        this.#warm.delete(warm.id);
      });
      this.#leaving.delete(warm.id);
    } catch (error) {
      logger.warn({ sandbox: warm.id, error }, 'a warm sandbox that is not wanted is still there; trying again');
    }
  }

  #tell(pool: Pool, detail: string): void {
    const value: EventRecord = {
      time: this.#core.clock.now(),
      ...{ type: 'template', subject: pool.template, owner: SYSTEM, detail },
    };
    this.#core.store.commit([{ op: 'event', value }]).catch((error) => {
      this.#core.logger.warn({ template: pool.template, error }, 'an event of a pool could not be written');
    });
  }

  #track(work: Promise<void>): void {
    const run = work
      .catch((error) => this.#core.logger.error({ error }, 'a pool could not be looked after'))
      .finally(() => this.#runs.delete(run));
    this.#runs.add(run);
  }

  #now(): number {
    return this.#core.clock.monotonic();
  }
}

function tooSmall(floor: number, short: number): string {
  return `its pool should hold at least ${floor}, and ${floor - short} fit in the node's memory for pools`;
}

/** Warm ones are for those who ask for no level. */
function usual(spec: ResolvedSpec): ResolvedSpec {
  return { ...spec, isolation: spec.usually ?? spec.isolation };
}
