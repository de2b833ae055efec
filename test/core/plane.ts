import assert from 'node:assert/strict';
import { ArcError, type ErrorCode } from '../../src/contract/errors.ts';
import type { CreateRequest } from '../../src/contract/schemas/sandbox.ts';
import type { Template } from '../../src/contract/schemas/template.ts';
import { FakeEngine } from '../../src/engines/fake/engine.ts';
import { type FakePlan, smoothPlan } from '../../src/engines/fake/plan.ts';
import { silentLogger } from '../../src/kit/logger.ts';
import type { Send } from '../../src/server/core/hooks/send.ts';
import { type ControlPlane, createControlPlane } from '../../src/server/core/index.ts';
import type { ControlPlaneOptions } from '../../src/server/core/options.ts';
import { putRow, type SandboxRow } from '../../src/server/core/row.ts';
import type { Caller, CreateOptions, EventRecord } from '../../src/server/service.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { Store, Write } from '../../src/store/store.ts';
import { FakeImages } from '../../src/testing/fakes/fake-images.ts';
import { ManualBoot, ManualClock, settled } from '../../src/testing/fakes/manual-clock.ts';
import { MemoryRouter } from '../../src/testing/fakes/memory-router.ts';
import { SeededRng } from '../../src/testing/fakes/seeded-rng.ts';

export const ada: Caller = { owner: 'ada', keyId: 'key-ada', scopes: ['sandboxes:read', 'sandboxes:write'] };
export const bob: Caller = { owner: 'bob', keyId: 'key-bob', scopes: ['sandboxes:read', 'sandboxes:write'] };
export const admin: Caller = { owner: 'root', keyId: 'key-root', scopes: ['admin'] };

export const builtin = (name: string, more: Partial<Template> = {}): Template => ({
  name,
  root: { builtin: 'shell' },
  command: [`/${name}`],
  ...more,
});

const TEMPLATES: readonly Template[] = [
  builtin('web', { ports: [8080], ready: { timeout: '5s' }, labels: { kind: 'web' } }),
  builtin('job'),
  builtin('missing'),
  builtin('loose', { capabilities: ['SETUID'] }),
  builtin('brief', { ttl: '10m' }),
  builtin('lab', { ports: [80], afterReboot: 'fail' }),
  builtin('nap', { ports: [80], idle: { soft: '10m', hard: '15m', then: 'frozen', stop: '1h' } }),
  builtin('sleep', { ports: [80], idle: { hard: '15m' } }),
  builtin('kept', { ports: [80], idle: { hard: '15m', then: 'stopped', keep: true } }),
  builtin('passing', { idle: { soft: '1m', hard: '2m', then: 'removed' } }),
  builtin('busy', { idle: { hard: '4m', then: 'frozen', cpu: 0.1 } }),
  builtin('course', { ports: [80], ttl: '1h', ttlWarning: '5m', ttlGrace: '10m', ttlMax: '2h' }),
  builtin('strong', { isolation: 'gvisor' }),
];

/** Steps by which time is moved while something is waited for, and how often. */
const STEP_MS = 25;
const STEPS_MAX = 8_000;

/** A control plane over fakes, moved by hand. */
export class Plane {
  readonly clock = new ManualClock();
  readonly boot = new ManualBoot(this.clock);
  readonly engine = new FakeEngine(this.clock);
  readonly images = new FakeImages({ 'busybox:1': { command: ['/bin/sh'], ports: [80] } });
  readonly commits: (readonly Write[])[] = [];
  /** Connections that the edge would hold open. */
  open = 0;
  diskFull = false;
  answersLost = false;
  readonly store: Store = new MemoryStore({
    fault: (writes) => {
      if (this.diskFull) return { when: 'before', error: new ArcError('disk_full', 'full') };
      this.commits.push(writes);
      return this.answersLost ? { when: 'after', error: new ArcError('internal', 'the answer was lost') } : undefined;
    },
  });
  readonly #rng = new SeededRng(42);
  readonly #options: Partial<ControlPlaneOptions>;
  router = new MemoryRouter();
  /** What comes of the messages of hooks. */
  send: Send = async () => ({ kind: 'taken' });
  now: ControlPlane;

  readonly #templates: readonly Template[];

  constructor(options: Partial<ControlPlaneOptions> = {}, templates: readonly Template[] = []) {
    this.#options = options;
    this.#templates = [...TEMPLATES, ...templates];
    this.now = this.#build();
  }

  #build(): ControlPlane {
    this.router = new MemoryRouter();
    const { store, engine, router, images, clock, boot } = this;
    return createControlPlane({
      ...{ store, engine, router, images, clock, boot, logger: silentLogger, rng: this.#rng },
      builtins: this.#templates,
      secretsKey: new Uint8Array(32).fill(1),
      options: this.#options,
      connections: () => this.open,
      send: (message, signal) => this.send(message, signal),
    });
  }

  static async started(
    options: Partial<ControlPlaneOptions> = {},
    templates: readonly Template[] = [],
  ): Promise<Plane> {
    const plane = new Plane(options, templates);
    await plane.start();
    return plane;
  }

  async start(): Promise<void> {
    await this.now.start();
    await settled();
  }

  /** Stops Arc and starts it again over what is left. */
  async restart(): Promise<void> {
    await this.drive(this.now.close());
    this.now = this.#build();
    await this.start();
  }

  plan(change: Partial<FakePlan>): void {
    this.engine.plan = { ...smoothPlan, ...change };
  }

  /** Moves time until this has come to its end. */
  async drive<T>(work: Promise<T>): Promise<T> {
    let over = false;
    work.then(
      () => {
        over = true;
      },
      () => {
        over = true;
      },
    );
    await settled();
    for (let steps = 0; !over; steps++) {
      assert.ok(steps < STEPS_MAX, 'what is waited for never ends');
      await this.clock.advance(STEP_MS);
    }
    return await work;
  }

  create(request: CreateRequest, options: Partial<CreateOptions> = {}, caller = ada) {
    return this.now.sandboxes.create(caller, request, { ...waiting, ...options });
  }

  async made(template: string, options: Partial<CreateOptions> = {}): Promise<string> {
    return (await this.drive(this.create({ template }, options))).id;
  }

  async row(id: string): Promise<SandboxRow | undefined> {
    return (await this.store.get<SandboxRow>('sandbox', id))?.value;
  }

  /** As an earlier run left it: without an event, and whatever the table says. */
  async write(row: SandboxRow): Promise<void> {
    const doc = await this.store.get('sandbox', row.id);
    await this.store.commit([putRow(row, doc?.revision ?? 0)]);
  }

  phase(id: string): string | undefined {
    return this.engine.truth().find((held) => held.id === id)?.phase;
  }

  async events(): Promise<readonly EventRecord[]> {
    return (await this.store.events<EventRecord>(0, 1_000)).map((event) => event.value);
  }
}

export const waiting: CreateOptions = { waitMs: 30_000, signal: new AbortController().signal };

export const failsWith = (code: ErrorCode) => (error: unknown) => {
  assert.ok(error instanceof ArcError, String(error));
  assert.equal(error.code, code, error.message);
  return true;
};
