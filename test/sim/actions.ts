import { ArcError } from '../../src/contract/errors.ts';
import type { CreateRequest } from '../../src/contract/schemas/sandbox.ts';
import { NO_FAULTS } from '../../src/engines/fake/plan.ts';
import type { Caller, SandboxRecord } from '../../src/server/service.ts';
import { settled } from '../../src/testing/fakes/manual-clock.ts';
import { OWNERS, PLANTED, type World } from './world.ts';

const DAY_MS = 86_400_000;
/** Sandboxes that clients still remember. */
const KNOWN_MAX = 60;

interface Client {
  readonly caller: Caller;
  readonly id: string;
}

/** What clients, operators and bad luck do to the world, by chance. */
export class Actions {
  readonly #world: World;
  #known: Client[] = [];
  readonly #keys: { readonly caller: Caller; readonly key: string; readonly request: CreateRequest; id?: string }[] =
    [];
  /** Calls of clients of the living control plane that have not been answered. */
  readonly waiting = new Map<number, string>();
  #calls = 0;
  done = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  async step(): Promise<string> {
    const { rng } = this.#world;
    const table: readonly (readonly [number, string, () => Promise<void> | void])[] = [
      [30, 'advance', () => this.#world.clock.advance(rng.int(rng.chance(0.1) ? 20_000 : 400))],
      [14, 'create', () => this.#create()],
      [3, 'create-again', () => this.#createAgain()],
      [9, 'remove', () => this.#withKnown('remove', (c) => this.#world.plane.sandboxes.remove(c.caller, c.id))],
      [4, 'restart', () => this.#withKnown('restart', (c) => this.#again('restart', c))],
      [4, 'reset', () => this.#withKnown('reset', (c) => this.#again('reset', c))],
      [
        4,
        'extend',
        () => this.#withKnown('extend', (c) => this.#world.plane.sandboxes.extend(c.caller, c.id, rng.int(60_000))),
      ],
      [4, 'get', () => this.#withKnown('get', (c) => this.#world.plane.sandboxes.get(c.caller, c.id))],
      [2, 'list', () => this.#call('list', () => this.#world.plane.sandboxes.list(rng.pick(OWNERS), { limit: 10 }))],
      [4, 'use', () => this.#withKnown('use', async (c) => this.#world.plane.used(c.id))],
      [5, 'wake', () => this.#withKnown('wake', (c) => this.#world.plane.waker.wake(c.id))],
      [6, 'exit', () => this.#exit()],
      [1, 'lose', () => this.#lose()],
      [1, 'plant', () => this.#plant()],
      [1.5, 'kill', () => this.#restartAll(() => this.#world.killAndStart())],
      [0.4, 'close', () => this.#restartAll(() => this.#world.closeAndStart())],
      [0.3, 'reboot', () => this.#restartAll(() => this.#world.reboot())],
      [1, 'wall-jump', () => this.#world.clock.jumpWall((rng.chance(0.5) ? 1 : -1) * rng.int(DAY_MS))],
      [1.5, 'weather', () => this.#weather()],
    ];
    const total = table.reduce((sum, [weight]) => sum + weight, 0);
    let dice = rng.float() * total;
    const chosen = table.find(([weight]) => {
      dice -= weight;
      return dice < 0;
    });
    const [, name, act] = chosen ?? table[0] ?? ([0, 'nothing', () => {}] as const);
    await act();
    await settled();
    this.done.set(name, (this.done.get(name) ?? 0) + 1);
    return name;
  }

  /** Good weather, and time for everything to come to rest. */
  async rest(): Promise<void> {
    this.#world.rates = NO_FAULTS;
    this.#world.disk = { full: false, lost: 0 };
    for (let waited = 0; waited < 20; waited++) await this.#world.clock.advance(30_000);
    // One more sweep, and the starts that it asked for.
    await this.#world.clock.advance(16_000);
  }

  #create(): void {
    const { rng } = this.#world;
    const caller = rng.pick(OWNERS);
    const request: CreateRequest = {
      template: rng.pick([
        'web',
        'web',
        'web',
        'site',
        'site',
        'site',
        'job',
        'lab',
        'brief',
        'sick',
        'nap',
        'nap',
        'kept',
        'broken',
        'missing',
      ]),
    };
    if (rng.chance(0.2)) request.labels = { team: `t${rng.int(3)}` };
    const keyed = rng.chance(0.2) ? { caller, key: `k-${this.#calls}`, request } : undefined;
    if (keyed) this.#keys.push(keyed);
    this.#createCall(caller, request, keyed);
  }

  #createAgain(): void {
    const { rng } = this.#world;
    if (this.#keys.length === 0) return;
    const keyed = rng.pick(this.#keys.slice(-10));
    this.#createCall(keyed.caller, keyed.request, keyed);
  }

  #createCall(caller: Caller, request: CreateRequest, keyed: { key: string; id?: string } | undefined): void {
    const { rng } = this.#world;
    const client = new AbortController();
    const options = {
      waitMs: rng.chance(0.3) ? 0 : rng.int(60_000),
      signal: client.signal,
      ...(keyed ? { idempotencyKey: keyed.key } : {}),
    };
    if (rng.chance(0.1)) this.#world.clock.after(rng.int(2_000), () => client.abort(new Error('the client is gone')));
    this.#call('create', async () => {
      const record = await this.#world.plane.sandboxes.create(caller, request, options);
      if (keyed?.id !== undefined && keyed.id !== record.id) await this.#mustBeForgotten(keyed.id, keyed.key);
      if (keyed) keyed.id = record.id;
      this.#remember({ caller, id: record.id });
    });
  }

  /** A key is forgotten together with the sandbox that it made, not before. */
  async #mustBeForgotten(id: string, key: string): Promise<void> {
    if (await this.#world.store.get('sandbox', id)) throw new Error(`key ${key} made two sandboxes`);
  }

  #again(why: 'restart' | 'reset', { caller, id }: Client): Promise<SandboxRecord> {
    const waitMs = this.#world.rng.chance(0.5) ? 0 : 10_000;
    return this.#world.plane.sandboxes[why](caller, id, { waitMs, signal: new AbortController().signal });
  }

  #withKnown(what: string, act: (client: Client) => Promise<unknown>): void {
    if (this.#known.length === 0) return;
    const client = this.#world.rng.pick(this.#known);
    this.#call(`${what} ${client.id}`, () => act(client));
  }

  /** Not waited for: the world goes on while it is under way. Errors a client may meet are fine, bugs are not. */
  #call(what: string, work: () => Promise<unknown>): void {
    const call = this.#calls++;
    this.waiting.set(call, what);
    work().then(
      () => this.waiting.delete(call),
      (error) => {
        this.waiting.delete(call);
        const expected =
          error instanceof ArcError || (error instanceof Error && error.message === 'the client is gone');
        if (!expected) this.fault ??= new Error(`${what} ended in a bug`, { cause: error });
      },
    );
  }

  fault: Error | undefined;

  #remember(client: Client): void {
    this.#known = [...this.#known.filter((known) => known.id !== client.id), client].slice(-KNOWN_MAX);
  }

  #running(): readonly string[] {
    return this.#world.engine
      .truth()
      .filter((held) => held.phase === 'running')
      .map((held) => held.id);
  }

  #exit(): void {
    const { rng } = this.#world;
    const running = this.#running();
    if (running.length > 0) this.#world.engine.exit(rng.pick(running), { code: rng.int(3), oom: rng.chance(0.2) });
  }

  #lose(): void {
    const running = this.#running();
    if (running.length > 0) this.#world.engine.lose(this.#world.rng.pick(running));
  }

  #plant(): void {
    this.#world.engine.plant({ id: `${PLANTED}${'abcdefgh'[this.#world.rng.int(8)]}`, incarnation: 1 });
  }

  async #restartAll(how: () => Promise<void>): Promise<void> {
    // The clients of a dead server have lost their connections; a start needs a disk to read from.
    this.waiting.clear();
    await how();
  }

  #weather(): void {
    const { rng } = this.#world;
    const bad = rng.chance(0.6);
    const some = (most: number) => (bad && rng.chance(0.6) ? rng.float() * most : 0);
    this.#world.rates = {
      refuse: some(0.3),
      lostReply: some(0.3),
      leftover: some(0.3),
      hang: some(0.15),
      slow: some(0.3),
      stubborn: some(0.5),
      exit: some(0.4),
      notReady: some(0.9),
    };
    this.#world.disk = { full: bad && rng.chance(0.15), lost: some(0.05) };
  }
}
