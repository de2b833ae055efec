import { ArcError } from '../../src/contract/errors.ts';
import type { Template } from '../../src/contract/schemas/template.ts';
import { FakeEngine } from '../../src/engines/fake/engine.ts';
import { type FaultRates, NO_FAULTS, seededPlan } from '../../src/engines/fake/plan.ts';
import { silentLogger } from '../../src/kit/logger.ts';
import { type ControlPlane, createControlPlane } from '../../src/server/core/index.ts';
import type { Caller } from '../../src/server/service.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';
import { FakeImages } from '../../src/testing/fakes/fake-images.ts';
import { ManualBoot, ManualClock, settled } from '../../src/testing/fakes/manual-clock.ts';
import { MemoryRouter } from '../../src/testing/fakes/memory-router.ts';
import { SeededRng } from '../../src/testing/fakes/seeded-rng.ts';
import { type Life, lifeClock, severed } from './severed.ts';

/** How the ids begin of what the engine holds and nobody asked for. */
export const PLANTED = 'sb-orphan';
export const STARTS_MAX = 3;

export const TEMPLATES: readonly Template[] = [
  { name: 'web', root: { builtin: 'shell' }, command: ['/web'], ports: [8080], ready: { timeout: '5s' } },
  { name: 'job', root: { builtin: 'shell' }, command: ['/job'], labels: { kind: 'job' } },
  { name: 'lab', root: { builtin: 'shell' }, command: ['/lab'], ports: [80], ttl: '2m', afterReboot: 'fail' },
  { name: 'brief', root: { builtin: 'shell' }, command: ['/brief'], ttl: '20s' },
  {
    ...{ name: 'site', root: { builtin: 'shell' }, command: ['/site'], ports: [80], ready: { timeout: '5s' } },
    ...{ ttl: '2m', afterReboot: 'fail', pool: { min: 2, max: 6 } },
  },
  { name: 'sick', root: { builtin: 'shell' }, command: ['/missing'], pool: { min: 1 } },
  {
    name: 'nap',
    root: { builtin: 'shell' },
    command: ['/nap'],
    ports: [80],
    idle: { soft: '2s', hard: '4s', then: 'frozen', stop: '6s' },
  },
  { name: 'kept', root: { builtin: 'shell' }, command: ['/kept'], idle: { hard: '3s', then: 'stopped', keep: true } },
  { name: 'broken', root: { builtin: 'shell' }, command: ['/missing'] },
];

export const OWNERS: readonly Caller[] = ['ada', 'bob'].map((owner) => ({
  owner,
  keyId: `key-${owner}`,
  scopes: ['sandboxes:read', 'sandboxes:write'],
}));

/** What outlives the control plane, and the control plane that is alive now. */
export class World {
  readonly rng: SeededRng;
  readonly clock = new ManualClock();
  readonly boot = new ManualBoot(this.clock);
  readonly engine: FakeEngine;
  readonly store: Store;
  rates: FaultRates = NO_FAULTS;
  /** Probability that a commit fails before it is written, and that its answer is lost. */
  disk = { full: false, lost: 0 };
  /** Creates that the engine was asked for by the living and has not answered. */
  creating = 0;
  lives = 0;
  reboots = 0;
  router = new MemoryRouter();
  plane: ControlPlane;
  #life: Life = { alive: true };

  constructor(seed: number) {
    this.rng = new SeededRng(seed);
    const chance = new SeededRng(seed ^ 0x5eed);
    this.engine = new FakeEngine(
      this.clock,
      seededPlan(
        () => chance.float(),
        () => this.rates,
      ),
    );
    this.store = new MemoryStore({
      fault: () => {
        if (this.disk.full) return { when: 'before', error: new ArcError('disk_full', 'the simulated disk is full') };
        if (chance.float() >= this.disk.lost) return undefined;
        return { when: 'after', error: new ArcError('internal', 'the answer to a commit was lost') };
      },
    });
    this.plane = this.#build();
  }

  #build(): ControlPlane {
    const life: Life = { alive: true };
    this.#life = life;
    this.lives += 1;
    this.router = new MemoryRouter();
    this.creating = 0;
    const engine = severed(this.engine, life);
    return createControlPlane({
      store: severed(this.store, life),
      engine: new Proxy(engine, {
        get: (target, name) => (name === 'create' ? this.#countedCreate(engine) : Reflect.get(target, name)),
      }),
      router: severed(this.router, life),
      images: new FakeImages(),
      clock: lifeClock(this.clock, life),
      boot: this.boot,
      rng: this.rng,
      logger: silentLogger,
      builtins: TEMPLATES,
      options: { startsMax: STARTS_MAX, keepRemovedMax: 200, keepRemovedMs: 600_000, keepEventsMax: 5_000 },
    });
  }

  #countedCreate(engine: FakeEngine): FakeEngine['create'] {
    return async (order, signal) => {
      this.creating += 1;
      // One that was cancelled and goes on all the same is not waited for any more.
      let counted = true;
      const over = () => {
        if (counted) this.creating -= 1;
        counted = false;
      };
      signal.addEventListener('abort', over, { once: true });
      try {
        return await engine.create(order, signal);
      } finally {
        over();
      }
    };
  }

  async start(): Promise<void> {
    // The first read may meet a full disk only when it writes; starting again is what the operator's supervisor does.
    await this.plane.start();
    await settled();
  }

  /** `kill -9`, and the next run over what is left. */
  async killAndStart(): Promise<void> {
    this.#life.alive = false;
    this.plane = this.#build();
    await this.start();
  }

  async reboot(): Promise<void> {
    this.#life.alive = false;
    this.reboots += 1;
    this.engine.reboot(() => this.rng.chance(0.5));
    await this.clock.advance(this.rng.int(3_600_000));
    this.boot.reboot();
    this.plane = this.#build();
    await this.start();
  }

  /** Stopped in good order: what it was doing is taken up by the next run. */
  async closeAndStart(): Promise<void> {
    const closing = this.plane.close();
    await this.clock.advance(10_000);
    await closing;
    this.#life.alive = false;
    this.plane = this.#build();
    await this.start();
  }
}
