import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ArcError } from '../contract/errors.ts';
import { encodeId, ID_BYTES, SANDBOX_ID } from '../contract/ids.ts';
import type { Exit, ResolvedSpec } from '../contract/spec.ts';
import type { Level } from '../contract/states.ts';
import type { CreateOrder, EngineEvent, Held, Placement, Target } from '../engines/engine.ts';
import type { NodeHelper } from '../host/helper/port.ts';
import type { Images } from '../host/images.ts';
import type { Clock, Rng } from '../kit/clock.ts';
import { eachLimited } from '../kit/limit.ts';
import type { Logger } from '../kit/logger.ts';
import { KeyedMutex } from '../kit/mutex.ts';
import type { Found, Handle, Runtime } from '../runtimes/runtime.ts';
import { type Holding, heldOf, placementOf } from './held.ts';
import { type Absent, Levels } from './levels.ts';
import { commandSucceeds, httpAnswers, portAnswers } from './readiness.ts';
import type { Slots } from './slots.ts';

export interface AgentDeps {
  readonly node: string;
  /** In the order of preference for a level that several can give. */
  readonly runtimes: readonly Runtime[];
  readonly helper: Pick<NodeHelper, 'list' | 'destroy' | 'onConnection'>;
  readonly images: Pick<Images, 'resolve'>;
  readonly slots: Slots;
  readonly sandboxesDir: string;
  /** What a runtime is just trying out on this machine: nobody's sandbox, and gone when the try is over. */
  readonly isTrial?: (id: string) => boolean;
  /** Its slot is given back: what the firewall let it do ends. */
  readonly released: (id: string, slot: number) => Promise<void>;
  /** Looks at the firewall and mends it. */
  readonly checkRules: () => Promise<unknown>;
  /** What a program that ended badly said of the reason, where a person can do something about it. */
  readonly explain: (id: string, spec: ResolvedSpec) => Promise<string | undefined>;
  /** Why a level that no runtime here gives is not to be had; default: what to install for it. */
  readonly absent?: (level: Level) => Absent;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
}

/** ms between two sweeps. */
const SWEEP_MS = 10_000;
/** Files of cgroups read at once. */
const LOOK_PARALLEL = 16;

/** Does on this node what was decided; keeps what runs, and finds it again. */
export class Agent {
  readonly #deps: AgentDeps;
  readonly #held = new Map<string, Holding>();
  readonly #lanes = new KeyedMutex();
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  readonly #closers: (() => void)[] = [];
  readonly levels: Levels;
  /** Ids that somebody worked on during a look at the node's truth: what was read of them is stale. */
  readonly #touched = new Set<Set<string>>();
  /** Ends heard of while the start was still on its way: a program may be faster than the news that it runs. */
  readonly #early = new Map<string, Exit>();
  readonly #starting = new Map<string, Runtime>();
  /** Of what was started by this process: what its program lacked is only of use to who is just starting it. */
  readonly #specs = new Map<string, ResolvedSpec>();
  /** Incarnations that stand still, by id. Only we freeze, so the kernel is asked once, when we open. */
  readonly #frozen = new Map<string, number>();
  #cancelSweep: (() => void) | undefined;
  #closed = false;

  constructor(deps: AgentDeps) {
    this.#deps = deps;
    this.levels = new Levels(deps.runtimes, deps.absent);
  }

  /** Finds what runs, then begins to listen and to sweep. Levels are tried in the background, at the first need at the latest. */
  async open(): Promise<void> {
    for (const runtime of this.#deps.runtimes) {
      this.#closers.push(runtime.onExit((target, exit) => this.#ended(runtime, target, exit)));
    }
    this.#closers.push(this.#deps.helper.onConnection((up) => this.#onConnection(up)));
    await this.recover();
    await eachLimited([...this.#held.values()], LOOK_PARALLEL, async (holding) => {
      if (holding.phase !== 'running' || !(await holding.runtime?.isFrozen?.(holding.handle))) return;
      this.#frozen.set(holding.id, holding.incarnation);
    });
    this.#sweepLater();
  }

  close(): void {
    this.#closed = true;
    this.#cancelSweep?.();
    for (const close of this.#closers.splice(0)) close();
  }

  get size(): number {
    return this.#held.size;
  }

  watch(listener: (event: EngineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  list(): readonly Held[] {
    return [...this.#held.values()].map((holding) => {
      const frozen = this.#frozen.get(holding.id) === holding.incarnation;
      return heldOf(holding, this.#deps.node, frozen);
    });
  }

  async create(order: CreateOrder, signal: AbortSignal): Promise<Placement> {
    if (!SANDBOX_ID.test(order.id)) throw new ArcError('invalid_request', 'that is not the id of a sandbox');
    const runtime = await this.levels.runtimeFor(order.spec.isolation);
    return await this.#lane(order.id, async () => {
      signal.throwIfAborted();
      const before = this.#held.get(order.id);
      if (before !== undefined && before.incarnation > order.incarnation) {
        throw new ArcError('conflict', `a later incarnation of ${order.id} is already here`);
      }
      const same = before?.incarnation === order.incarnation && before.phase === 'running';
      if (same) return placementOf(before.handle, this.#deps.node);
      return await this.#start(order, before, runtime, signal);
    });
  }

  async probe(target: Target, spec: ResolvedSpec, signal: AbortSignal): Promise<boolean> {
    const { handle, runtime } = this.running(target);
    const { ready, ports } = spec;
    const port = ready.port ?? ports[0];
    if (ready.kind === 'port' && port !== undefined) return await portAnswers(handle.address, port, signal);
    if (ready.kind === 'http' && port !== undefined) {
      return await httpAnswers(handle.address, port, ready.path ?? '/', signal);
    }
    if (ready.kind !== 'command' || ready.command === undefined) return true;
    if (runtime.exec === undefined) throw new ArcError('exec_failed', `${runtime.name} can not run the check command`);
    const id = encodeId('ex', this.#deps.rng.bytes(ID_BYTES));
    const stream = await runtime.exec(handle, id, { command: ready.command, env: {}, timeoutMs: ready.timeoutMs });
    return await commandSucceeds(stream, signal);
  }

  async stop(target: Target): Promise<void> {
    await this.#lane(target.id, async () => {
      const holding = this.#held.get(target.id);
      if (holding === undefined || holding.incarnation > target.incarnation) return;
      await (holding.runtime?.stop(holding) ?? this.#deps.helper.destroy(holding));
      if (holding.runtime === undefined) this.#forget(holding);
      else this.#settle(holding);
    });
  }

  async destroy(target: Target): Promise<void> {
    await this.#lane(target.id, async () => {
      const holding = this.#held.get(target.id);
      if (holding === undefined) {
        if (await this.#hasFolder(target.id)) await this.#deps.helper.destroy(target);
        return;
      }
      if (holding.incarnation > target.incarnation) return;
      await (holding.runtime ?? this.#deps.helper).destroy(holding);
      this.#forget(holding);
    });
  }

  /** Its folder is made before anything else of a sandbox, and goes after all else is gone. */
  async #hasFolder(id: string): Promise<boolean> {
    const gone = (error: unknown) => error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return await lstat(join(this.#deps.sandboxesDir, id)).then(
      () => true,
      (error: unknown) => !gone(error),
    );
  }

  /** In the lane of everything else that is done to it, so that nothing is started or ended meanwhile. */
  async freeze(target: Target): Promise<void> {
    await this.#lane(target.id, async () => {
      const { handle, runtime } = this.running(target);
      if (runtime.freeze === undefined) throw new ArcError('method_not_allowed', `${runtime.name} can not freeze`);
      await runtime.freeze(handle);
      this.#frozen.set(target.id, target.incarnation);
    });
  }

  async thaw(target: Target): Promise<void> {
    await this.#lane(target.id, async () => {
      const { handle, runtime } = this.running(target);
      await runtime.thaw?.(handle);
      this.#frozen.delete(target.id);
    });
  }

  /** What runs under this very incarnation. Throws wrong_state, sandbox_gone. */
  running(target: Target): { readonly handle: Handle; readonly runtime: Runtime } {
    const holding = this.#held.get(target.id);
    if (holding === undefined) throw new ArcError('sandbox_gone', `${target.id} is not on this node`);
    if (holding.phase === 'running' && holding.incarnation === target.incarnation && holding.runtime !== undefined) {
      return { handle: holding.handle, runtime: holding.runtime };
    }
    throw new ArcError('wrong_state', `${target.id} is not running`);
  }

  /** Takes the node's own truth: after a start of Arc, in every sweep, and whenever the helper was away. */
  async recover(): Promise<void> {
    const touched = new Set<string>();
    this.#touched.add(touched);
    try {
      // All at once, so that the helper is asked once for all of them.
      const looks = this.#deps.runtimes.map(async (runtime) =>
        (await runtime.recover()).map((one) => holdingOf(one, runtime)),
      );
      const [there, ...known] = await Promise.all([this.#there(), ...looks]);
      const found = new Map(known.flat().map((holding) => [holding.id, holding]));
      for (const orphan of there) if (!found.has(orphan.id)) found.set(orphan.id, orphan);
      for (const id of found.keys()) if (this.#deps.isTrial?.(id)) found.delete(id);
      const fresh = (id: string) => !touched.has(id) && !this.#lanes.busy(id);
      for (const holding of found.values()) if (fresh(holding.id)) this.#adopt(holding);
      for (const holding of [...this.#held.values()]) {
        if (!found.has(holding.id) && fresh(holding.id)) this.#forget(holding);
      }
    } finally {
      this.#touched.delete(touched);
    }
  }

  async #lane<T>(id: string, work: () => Promise<T>): Promise<T> {
    return await this.#lanes.run(id, async () => {
      try {
        return await work();
      } finally {
        for (const touched of this.#touched) touched.add(id);
      }
    });
  }

  async #start(
    order: CreateOrder,
    before: Holding | undefined,
    runtime: Runtime,
    signal: AbortSignal,
  ): Promise<Placement> {
    const { id, incarnation, spec, fresh, labels, owner } = order;
    const lowers = runtime.bringsRoot?.(spec.root) ? [] : await this.#deps.images.resolve(spec.root);
    await this.#makeRoom(before, order, runtime);
    // The writable layer that is kept belongs to the ids of its slot, so a restart stays on it.
    const slot = this.#held.get(id)?.slot ?? this.#deps.slots.take();
    this.#starting.set(keyOf(order), runtime);
    this.#specs.set(id, spec);
    try {
      const handle = await runtime.start({ id, incarnation, spec, slot, lowers, fresh, labels, owner }, signal);
      this.#held.set(id, { id, incarnation, slot, runtime, phase: 'running', handle });
      const exit = this.#early.get(keyOf(order));
      if (exit !== undefined) this.#ended(runtime, order, exit);
      return placementOf(handle, this.#deps.node);
    } catch (error) {
      if (!this.#held.has(id)) {
        this.#deps.slots.give(slot);
        this.#specs.delete(id);
      }
      throw error;
    } finally {
      this.#early.delete(keyOf(order));
      this.#starting.delete(keyOf(order));
    }
  }

  /** Ends an earlier incarnation. What can't be gone on with is removed: another runtime's, an orphan's, or all of it when `fresh`. */
  async #makeRoom(before: Holding | undefined, order: CreateOrder, runtime: Runtime): Promise<void> {
    if (before === undefined) return;
    if (before.runtime === runtime && !order.fresh) {
      await runtime.stop(before);
      this.#settle(before);
      return;
    }
    await (before.runtime ?? this.#deps.helper).destroy(before);
    this.#forget(before);
  }

  #ended(runtime: Runtime, target: Target, exit: Exit): void {
    const holding = this.#held.get(target.id);
    const known = holding?.runtime === runtime && holding.incarnation === target.incarnation;
    // Every runtime on one helper hears of every end; only its own knows what it means.
    if (!known && this.#starting.get(keyOf(target)) === runtime) this.#early.set(keyOf(target), exit);
    if (!known || holding.phase !== 'running') return;
    this.#held.set(target.id, { ...bare(holding), phase: 'exited', exit });
    const about = { id: target.id, incarnation: target.incarnation };
    const spec = this.#specs.get(target.id);
    if (spec === undefined || exit.code === 0 || exit.oom || exit.note !== undefined) {
      this.#tell({ type: 'exited', target: about, exit });
      return;
    }
    this.#explained(about, spec, exit).then(
      (told) => this.#tell({ type: 'exited', target: about, exit: told }),
      (error: unknown) => {
        this.#deps.log.debug({ err: error, sandbox: about.id }, 'what it said last could not be read');
        this.#tell({ type: 'exited', target: about, exit });
      },
    );
  }

  async #explained(target: Target, spec: ResolvedSpec, exit: Exit): Promise<Exit> {
    const note = await this.#deps.explain(target.id, spec);
    if (note === undefined) return exit;
    const told = { ...exit, note };
    const holding = this.#held.get(target.id);
    if (holding?.phase === 'exited' && holding.exit === exit) this.#held.set(target.id, { ...holding, exit: told });
    return told;
  }

  /** After a stop: whatever ran ended by our hand, if its end was not reported meanwhile. */
  #settle(holding: Holding): void {
    const now = this.#held.get(holding.id);
    if (now === undefined || now.phase === 'exited') return;
    const exit: Exit = { code: null, signal: 'SIGKILL', oom: false, at: this.#deps.clock.now() };
    this.#held.set(holding.id, { ...bare(now), phase: 'exited', exit });
  }

  #adopt(holding: Holding): void {
    const known = this.#held.get(holding.id);
    this.#deps.slots.claim(holding.slot);
    this.#held.set(holding.id, holding);
    const missed =
      known?.phase === 'running' && holding.phase === 'exited' && known.incarnation === holding.incarnation;
    if (missed) this.#tell({ type: 'exited', target: bare(holding), exit: holding.exit });
  }

  #forget(holding: Holding): void {
    this.#held.delete(holding.id);
    this.#specs.delete(holding.id);
    this.#frozen.delete(holding.id);
    // In order with all else that is asked of the firewall, so before the next owner of the slot is admitted.
    this.#deps.released(holding.id, holding.slot).catch((error: unknown) => {
      this.#deps.log.error(
        { err: error, sandbox: holding.id },
        'what a sandbox was let do could not be taken back yet',
      );
    });
    this.#deps.slots.give(holding.slot);
  }

  /** What the helper holds or what lies in the folder: an orphan, where no runtime knows it. */
  async #there(): Promise<readonly Holding[]> {
    const [entries, folders] = await Promise.all([
      this.#deps.helper.list(),
      readdir(this.#deps.sandboxesDir).catch(() => []),
    ]);
    const there = new Map<string, Holding>();
    for (const id of folders.filter((name) => SANDBOX_ID.test(name))) {
      there.set(id, { id, incarnation: 1, slot: 0, phase: 'partial' });
    }
    for (const { id, incarnation, slot } of entries) there.set(id, { id, incarnation, slot, phase: 'partial' });
    return [...there.values()];
  }

  #onConnection(up: boolean): void {
    if (!up) return;
    this.recover()
      .then(() => this.#tell({ type: 'resync' }))
      .catch((error: unknown) => this.#deps.log.error({ err: error }, 'the node could not be looked at; trying again'));
  }

  #sweepLater(): void {
    if (this.#closed) return;
    this.#cancelSweep = this.#deps.clock.after(SWEEP_MS, () => {
      this.sweep()
        .catch((error: unknown) => this.#deps.log.warn({ err: error }, 'a sweep failed; the next one tries again'))
        .finally(() => this.#sweepLater());
    });
  }

  /** Compares with the node's truth and mends: rules that are gone, ends that were not heard of, what nobody holds. */
  async sweep(): Promise<void> {
    await this.#deps.checkRules();
    await this.recover();
  }

  #tell(event: EngineEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function keyOf({ id, incarnation }: Target): string {
  return `${id} ${incarnation}`;
}

function bare({ id, incarnation, slot, runtime }: Holding) {
  return { id, incarnation, slot, ...(runtime !== undefined && { runtime }) };
}

function holdingOf(found: Found, runtime: Runtime): Holding {
  if (found.phase === 'partial') return { ...found.target, slot: found.slot, runtime, phase: 'partial' };
  const { id, incarnation, slot } = found.handle;
  if (found.phase === 'exited') return { id, incarnation, slot, runtime, phase: 'exited', exit: found.exit };
  return { id, incarnation, slot, runtime, phase: 'running', handle: found.handle };
}
