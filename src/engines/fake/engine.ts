import { ArcError } from '../../contract/errors.ts';
import type { Exit, NetworkPolicy, ResolvedSpec } from '../../contract/spec.ts';
import type { Clock } from '../../kit/clock.ts';
import type {
  CreateOrder,
  Engine,
  EngineCapabilities,
  EngineEvent,
  EngineFiles,
  EngineLimits,
  EngineNetwork,
  Held,
  MemoryPressure,
  NodeReport,
  Placement,
  Target,
} from '../engine.ts';
import { type CreateFate, type FakePlan, type Fate, fakeFault, smoothPlan } from './plan.ts';

const NODE = 'fake-1';
/** Slots, hence addresses, the fake node has where a test does not say. */
const SLOTS = 1_000;

interface Box {
  readonly id: string;
  incarnation: number;
  phase: 'running' | 'exited' | 'partial';
  slot: number | undefined;
  exit: Exit | undefined;
  frozen?: boolean;
}

/** An Engine without a machine: what it holds outlives the control plane, and its plan says how each call fails. */
export class FakeEngine implements Engine {
  readonly name = 'fake';
  readonly capabilities: EngineCapabilities = {
    exec: false,
    files: false,
    logs: false,
    stats: false,
    park: true,
    placeOnNode: false,
  };
  /** Capabilities that a test may give it. */
  limits?: EngineLimits;
  files?: EngineFiles;
  plan: FakePlan;
  /** What it says about memory. */
  pressure: MemoryPressure = { totalBytes: 2 ** 33, availableBytes: 2 ** 32, stalledPercent: 0 };
  /** What a correct control plane never asks for. */
  readonly complaints: string[] = [];
  readonly #clock: Clock;
  readonly #boxes = new Map<string, Box>();
  readonly #destroyed = new Map<string, number>();
  readonly #creating = new Map<string, Promise<Placement>>();
  readonly #slots = new Map<number, string>();
  readonly #slotsMax: number;
  /** No slot below this one is free. */
  #lowestSlot = 1;
  readonly #listeners = new Set<(event: EngineEvent) => void>();

  constructor(clock: Clock, plan: FakePlan = smoothPlan, slots: number = SLOTS) {
    this.#clock = clock;
    this.#slotsMax = slots;
    this.plan = plan;
  }

  async nodes(): Promise<readonly NodeReport[]> {
    const levels = [
      { level: 'container', available: true, runtime: 'fake', note: 'nothing: there is no sandbox' },
      { level: 'gvisor', available: false, note: 'the fake engine has no gVisor' },
    ] as const;
    const sandboxes = this.#boxes.size;
    return [{ name: NODE, levels, memoryBytes: 2 ** 33, cpus: 2, sandboxes, kernel: 'fake', cgroup: 'none' }];
  }

  create(order: CreateOrder, signal: AbortSignal): Promise<Placement> {
    const key = `${order.id}/${order.incarnation}`;
    const under = this.#creating.get(key);
    if (under) return under;
    const work = this.#create(order, signal).finally(() => this.#creating.delete(key));
    this.#creating.set(key, work);
    return work;
  }

  async #create(order: CreateOrder, signal: AbortSignal): Promise<Placement> {
    signal.throwIfAborted();
    if (order.spec.isolation !== 'container') {
      throw new ArcError('isolation_unavailable', `${order.spec.isolation} is not to be had here`, {
        extra: { levels: ['container'] },
      });
    }
    const held = this.#boxes.get(order.id);
    if (held?.incarnation === order.incarnation && held.phase === 'running') return this.#placement(held);
    if ((held?.incarnation ?? 0) > order.incarnation || this.#wasDestroyed(order)) throw stale(order);
    if (held?.phase === 'running') this.complaints.push(`create of ${order.id} over a running incarnation`);
    const box: Box = { ...order, phase: 'partial', slot: held?.slot ?? this.#takeSlot(order.id), exit: undefined };
    this.#boxes.set(order.id, box);
    const fate = this.plan.create(order);
    try {
      await this.#pass(fate, fate.stubborn ? undefined : signal);
    } catch (error) {
      this.#drop(box);
      throw error;
    }
    return this.#arrive(box, order, fate);
  }

  #arrive(box: Box, order: CreateOrder, fate: CreateFate): Placement {
    // Destroyed, or replaced, while it was being made.
    if (this.#boxes.get(order.id) !== box || this.#wasDestroyed(order)) throw stale(order);
    if (fate.outcome === 'leftover') throw fakeFault(`create of ${order.id} left half of it behind`);
    if (fate.outcome === 'refuse' || order.spec.command[0] === '/missing') {
      this.#drop(box);
      if (fate.outcome === 'refuse') throw fakeFault(`create of ${order.id}`);
      throw new ArcError('command_not_found', 'there is no /missing in the sandbox');
    }
    box.phase = 'running';
    const exitAfterMs = order.spec.command[0] === '/exit' ? 0 : fate.exitAfterMs;
    if (exitAfterMs !== undefined) {
      const code = order.spec.command[0] === '/exit' ? Number(order.spec.command[1]) : 1;
      this.#clock.after(exitAfterMs, () =>
        this.#end(box, order.incarnation, fate.oom ? oomExit() : { ...plainExit, code }),
      );
    }
    if (fate.outcome === 'lost-reply') throw fakeFault(`the reply to create of ${order.id} was lost`);
    return this.#placement(box);
  }

  async probe(target: Target, _spec: ResolvedSpec, signal: AbortSignal): Promise<boolean> {
    const fate = this.plan.probe(target);
    await this.#pass(fate, signal);
    if (fate.outcome !== 'ok') throw new ArcError('helper_unavailable', 'the fake engine was told to fail a probe');
    const box = this.#boxes.get(target.id);
    return fate.ready && box?.phase === 'running' && box.incarnation === target.incarnation;
  }

  async stop(target: Target): Promise<void> {
    await this.#act(this.plan.stop(target), `stop of ${target.id}`, () => {
      const box = this.#boxes.get(target.id);
      if (!box || box.incarnation > target.incarnation) return;
      if (box.phase === 'running') this.#end(box, box.incarnation, { ...plainExit, code: null, signal: 'SIGKILL' });
      if (box.phase === 'partial') box.exit = { ...plainExit, code: null, at: this.#clock.now(), note: 'half made' };
      box.phase = 'exited';
      this.#freeSlot(box);
    });
  }

  async destroy(target: Target): Promise<void> {
    const fate = this.plan.destroy(target);
    this.#killFirst(target, fate);
    await this.#act(fate, `destroy of ${target.id}`, () => {
      const upTo = Math.max(target.incarnation, this.#destroyed.get(target.id) ?? 0);
      this.#destroyed.set(target.id, upTo);
      const box = this.#boxes.get(target.id);
      if (box && box.incarnation <= target.incarnation) this.#drop(box);
    });
  }

  /**
   * As on a real node: what is asked to go is killed at once and gone a while later, whoever asked being there or not.
   * A control plane that starts meanwhile must not take it for running.
   */
  #killFirst(target: Target, fate: Fate): void {
    const box = this.#boxes.get(target.id);
    if (!box || box.incarnation > target.incarnation || box.phase !== 'running') return;
    if (fate.outcome === 'ok' || fate.outcome === 'lost-reply') box.phase = 'partial';
  }

  async freeze(target: Target): Promise<void> {
    await this.#act(this.plan.freeze(target), `freeze of ${target.id}`, () => {
      this.#running(target).frozen = true;
    });
  }

  async thaw(target: Target): Promise<void> {
    await this.#act(this.plan.thaw(target), `thaw of ${target.id}`, () => {
      this.#running(target).frozen = false;
    });
  }

  /** What each may connect to, as it was asked for last. */
  readonly networks = new Map<string, NetworkPolicy>();
  readonly network: EngineNetwork = {
    set: async (target, spec) => {
      this.#running(target);
      this.networks.set(target.id, spec.network);
    },
    use: async (target) => {
      this.#running(target);
      return { opened: 0, refused: [], names: [] };
    },
  };

  async memoryPressure(): Promise<MemoryPressure> {
    return this.pressure;
  }

  #running(target: Target): Box {
    const box = this.#boxes.get(target.id);
    if (box?.phase === 'running' && box.incarnation === target.incarnation) return box;
    throw new ArcError('wrong_state', `${target.id} is not running`);
  }

  async list(): Promise<readonly Held[]> {
    const fate = this.plan.list();
    await this.#pass(fate);
    if (fate.outcome !== 'ok') throw fakeFault('list');
    return this.truth();
  }

  watch(listener: (event: EngineEvent) => void): () => void {
    const entry = (event: EngineEvent) => listener(event);
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  // ---- what tests and simulations do to it ------------------------------------------------------------------------

  /** What it holds, whatever its plan says about asking. */
  truth(): readonly Held[] {
    return [...this.#boxes.values()].map((box): Held => {
      const { id, incarnation } = box;
      if (box.phase === 'running') {
        const placement = this.#placement(box);
        return { id, incarnation, phase: 'running', placement, ...(box.frozen && { frozen: box.frozen }) };
      }
      if (box.phase === 'exited' && box.exit) return { id, incarnation, phase: 'exited', exit: box.exit };
      return { id, incarnation, phase: 'partial' };
    });
  }

  /** A program ends by itself. */
  exit(id: string, exit: Partial<Exit> = {}): void {
    const box = this.#boxes.get(id);
    if (box) this.#end(box, box.incarnation, { ...plainExit, ...exit });
  }

  /** Nothing of it runs any more, and nobody was told. */
  lose(id: string): void {
    const box = this.#boxes.get(id);
    if (box) box.phase = 'partial';
  }

  /** Something that nobody asked for is there. */
  plant(target: Target): void {
    this.#boxes.set(target.id, { ...target, phase: 'running', slot: this.#takeSlot(target.id), exit: undefined });
  }

  /** The machine restarts: nothing runs; of those that `keeps` names, something is left on the disk. */
  reboot(keeps: (id: string) => boolean): void {
    for (const box of [...this.#boxes.values()]) {
      this.#freeSlot(box);
      if (keeps(box.id)) this.#boxes.set(box.id, { ...box, phase: 'partial', slot: undefined, exit: undefined });
      else this.#boxes.delete(box.id);
    }
    this.#creating.clear();
  }

  // -----------------------------------------------------------------------------------------------------------------

  async #act(fate: Fate, what: string, work: () => void): Promise<void> {
    await this.#pass(fate);
    if (fate.outcome === 'refuse' || fate.outcome === 'leftover') throw fakeFault(what);
    work();
    if (fate.outcome === 'lost-reply') throw fakeFault(`the reply to ${what} was lost`);
  }

  async #pass(fate: Fate, signal?: AbortSignal): Promise<void> {
    if (fate.outcome === 'hang') await hang(signal);
    if (fate.delayMs > 0) await this.#clock.sleep(fate.delayMs, signal);
  }

  #end(box: Box, incarnation: number, exit: Exit): void {
    if (this.#boxes.get(box.id) !== box || box.phase !== 'running') return;
    box.phase = 'exited';
    box.exit = { ...exit, at: this.#clock.now() };
    const event: EngineEvent = { type: 'exited', target: { id: box.id, incarnation }, exit: box.exit };
    for (const listener of this.#listeners) listener(event);
  }

  #drop(box: Box): void {
    if (this.#boxes.get(box.id) !== box) return;
    this.#boxes.delete(box.id);
    this.#freeSlot(box);
  }

  #wasDestroyed(target: Target): boolean {
    return (this.#destroyed.get(target.id) ?? 0) >= target.incarnation;
  }

  /** The lowest that is free, so that addresses find new owners as soon as they can. */
  #takeSlot(id: string): number {
    for (let slot = this.#lowestSlot; slot <= this.#slotsMax; slot++) {
      if (this.#slots.has(slot)) continue;
      this.#lowestSlot = slot + 1;
      this.#slots.set(slot, id);
      return slot;
    }
    throw new ArcError('at_capacity', `all ${this.#slotsMax} slots are taken`);
  }

  #freeSlot(box: Box): void {
    if (box.slot !== undefined && this.#slots.get(box.slot) === box.id) {
      this.#slots.delete(box.slot);
      this.#lowestSlot = Math.min(this.#lowestSlot, box.slot);
    }
    box.slot = undefined;
  }

  #placement(box: Box): Placement {
    const slot = box.slot ?? 0;
    return { node: NODE, address: `10.199.${slot >> 8}.${slot & 255}`, runtime: 'fake' };
  }
}

const plainExit: Exit = { code: 0, signal: null, oom: false, at: 0 };

function oomExit(): Exit {
  return { ...plainExit, code: null, signal: 'SIGKILL', oom: true };
}

function stale(target: Target): ArcError {
  return new ArcError('conflict', `incarnation ${target.incarnation} of ${target.id} is over`);
}

function hang(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
