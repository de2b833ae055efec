import { createHash } from 'node:crypto';
import { ArcError } from '../../../src/contract/errors.ts';
import type { CreateRequest } from '../../../src/contract/schemas/sandbox.ts';
import type { ResolvedSpec } from '../../../src/contract/spec.ts';
import { STATES, type State } from '../../../src/contract/states.ts';
import type { Engine } from '../../../src/engines/engine.ts';
import type {
  AddTemplate,
  Caller,
  CreateOptions,
  EventRecord,
  KeyRecord,
  Keys,
  ListFilter,
  PoolStatus,
  Sandboxes,
  SandboxRecord,
  Scope,
  TemplateRecord,
  Templates,
  Use,
} from '../../../src/server/service.ts';
import { type FakeEngineParts, fakeEngine } from './fake-engine.ts';

/** The services in memory: enough behaviour for the API to be seen working, and switches that make things go wrong. */

export const SPEC: ResolvedSpec = {
  template: 'whoami',
  root: { kind: 'builtin', name: 'whoami' },
  command: ['/whoami'],
  env: {},
  cwd: '/',
  user: '0',
  ports: [8080, 9090],
  ready: { kind: 'port', port: 8080, timeoutMs: 30_000 },
  limits: {
    memoryBytes: 64 * 1024 ** 2,
    cpus: 0.5,
    pids: 64,
    openFiles: 1024,
    diskBytes: 1024 ** 3,
    diskKind: 'image',
  },
  isolation: 'container',
  capabilities: [],
  network: 'none',
  ttlMs: 1_800_000,
  afterReboot: 'recreate',
  logBytes: 1024 ** 2,
};

const START = 1_800_000_000_000;

export class FakeSandboxes implements Sandboxes {
  readonly records = new Map<string, SandboxRecord>();
  readonly parts: FakeEngineParts;
  readonly engine: Engine;
  readonly eventLog: { seq: number; event: EventRecord }[] = [];
  readonly waiters = new Set<() => void>();
  /** What create was given, newest last. */
  readonly creates: { request: CreateRequest; options: CreateOptions }[] = [];
  /** When set, create waits for its signal. */
  hang = false;
  /** When set, thrown by everything. */
  fault: Error | undefined;
  #next = 0;

  constructor() {
    this.parts = fakeEngine();
    this.engine = this.parts.engine;
  }

  put(owner: string, over: Partial<SandboxRecord> = {}): SandboxRecord {
    this.#next += 1;
    const id =
      over.id ??
      `sb-${'abcdefghijklmnop'.slice(0, 12)}${String.fromCharCode(97 + (this.#next % 26))}${'abcdefghij'[Math.floor(this.#next / 26) % 10]}aa`;
    const record: SandboxRecord = {
      id,
      owner,
      spec: SPEC,
      labels: {},
      state: 'running',
      reason: 'ready',
      incarnation: 1,
      fresh: false,
      placement: { node: 'local', address: '10.199.0.1', runtime: 'crun' },
      createdAt: START,
      startedAt: START + 100,
      expiresAt: START + 1_800_000,
      stops: { at: START + 900_000, why: 'hard-limit', then: 'frozen' },
      history: [{ at: START, state: 'queued', reason: 'created' }],
      ...over,
    };
    this.records.set(id, record);
    this.emit({ time: START, type: 'sandbox', subject: id, owner, state: record.state, reason: record.reason });
    return record;
  }

  emit(event: EventRecord): void {
    this.eventLog.push({ seq: this.eventLog.length + 1, event });
    for (const wake of this.waiters) wake();
  }

  async create(caller: Caller, request: CreateRequest, options: CreateOptions): Promise<SandboxRecord> {
    this.#check();
    this.creates.push({ request, options });
    if (request.template === 'missing') throw new ArcError('template_not_found', 'there is no template missing');
    if (this.hang) {
      await new Promise((_, reject) => {
        options.signal.addEventListener('abort', () => reject(options.signal.reason), { once: true });
      });
    }
    const over = { labels: request.labels ?? {}, spec: { ...SPEC, template: request.template } };
    if (options.waitMs > 0) return this.put(caller.owner, over);
    const { placement: _p, startedAt: _s, ...rest } = this.put(caller.owner, over);
    const queued: SandboxRecord = { ...rest, state: 'queued', reason: 'created', queuePosition: 3 };
    this.records.set(queued.id, queued);
    return queued;
  }

  async get(caller: Caller, id: string): Promise<SandboxRecord> {
    this.#check();
    const record = this.records.get(id);
    if (record === undefined || !mayUse(caller, record.owner))
      throw new ArcError('sandbox_not_found', `there is no sandbox ${id.slice(0, 60)}`);
    if (record.state === 'removed')
      throw new ArcError('sandbox_gone', `${id} is gone`, { extra: { reason: record.reason } });
    return record;
  }

  async list(caller: Caller, filter: ListFilter): Promise<{ items: SandboxRecord[]; nextCursor?: string }> {
    this.#check();
    if (filter.cursor !== undefined && !this.records.has(filter.cursor))
      throw new ArcError('cursor_invalid', 'that is no cursor');
    const all = [...this.records.values()]
      .filter((record) => mayUse(caller, record.owner))
      .filter((record) => filter.owner === undefined || record.owner === filter.owner)
      .filter((record) => filter.state === undefined || record.state === filter.state)
      .filter((record) => filter.template === undefined || record.spec.template === filter.template)
      .filter((record) => (filter.labels ?? []).every((selector) => matches(record.labels, selector)))
      .filter((record) => filter.cursor === undefined || record.id > filter.cursor)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    const items = all.slice(0, filter.limit);
    const last = items.at(-1);
    return { items, ...(all.length > items.length && last !== undefined ? { nextCursor: last.id } : {}) };
  }

  async countByState(): Promise<Readonly<Record<State, number>>> {
    const counts = Object.fromEntries(STATES.map((state) => [state, 0])) as Record<State, number>;
    for (const { state } of this.records.values()) if (state !== 'removed') counts[state] += 1;
    return counts;
  }

  async remove(caller: Caller, id: string): Promise<SandboxRecord> {
    const record = await this.get(caller, id);
    return this.#change(record, { state: 'removed', reason: 'user' });
  }

  async restart(caller: Caller, id: string, _options: CreateOptions): Promise<SandboxRecord> {
    const record = await this.get(caller, id);
    return this.#change(record, { incarnation: record.incarnation + 1, reason: 'restart' });
  }

  async reset(caller: Caller, id: string, options: CreateOptions): Promise<SandboxRecord> {
    const record = await this.get(caller, id);
    const state: State = options.waitMs === 0 ? 'starting' : 'running';
    return this.#change(record, { incarnation: record.incarnation + 1, reason: 'reset', state });
  }

  async extend(caller: Caller, id: string, ms: number): Promise<SandboxRecord> {
    const record = await this.get(caller, id);
    return this.#change(record, { expiresAt: START + ms });
  }

  async setNetwork(caller: Caller, id: string): Promise<SandboxRecord> {
    return await this.get(caller, id);
  }

  readonly #warned = new Set<(text: string) => void>();
  uses = 0;

  awake(caller: Caller, id: string): Promise<SandboxRecord> {
    return this.target(caller, id);
  }

  use(): Use {
    this.uses += 1;
    return { touch: () => {}, end: () => {} };
  }

  onWarning(_id: string, listener: (text: string) => void): () => void {
    this.#warned.add(listener);
    return () => this.#warned.delete(listener);
  }

  /** Every sandbox is warned. */
  warn(text: string): void {
    for (const listener of this.#warned) listener(text);
  }

  async target(caller: Caller, id: string, options?: { readonly anyState?: boolean }): Promise<SandboxRecord> {
    const record = await this.get(caller, id);
    if (options?.anyState !== true && record.state !== 'running')
      throw new ArcError('wrong_state', `${id} is ${record.state}`);
    return record;
  }

  async nodes() {
    return this.engine.nodes();
  }

  async newestEvent(): Promise<number> {
    return this.eventLog.length;
  }

  async *events(caller: Caller, afterSeq: number | undefined, signal: AbortSignal) {
    let seen = afterSeq ?? this.eventLog.length;
    while (!signal.aborted) {
      for (const entry of this.eventLog.filter(({ seq }) => seq > seen)) {
        seen = entry.seq;
        if (mayUse(caller, entry.event.owner)) yield entry;
      }
      await new Promise<void>((resolve) => {
        const done = () => {
          this.waiters.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.waiters.add(done);
        signal.addEventListener('abort', done, { once: true });
      });
    }
  }

  #check(): void {
    if (this.fault !== undefined) throw this.fault;
  }

  #change(record: SandboxRecord, over: Partial<SandboxRecord>): SandboxRecord {
    const changed = { ...record, ...over };
    this.records.set(record.id, changed);
    this.emit({ time: START, type: 'sandbox', subject: record.id, owner: record.owner, state: changed.state });
    return changed;
  }
}

function mayUse(caller: Caller, owner: string): boolean {
  return caller.scopes.includes('admin') || caller.owner === owner;
}

function matches(labels: Readonly<Record<string, string>>, selector: string): boolean {
  const at = selector.indexOf('=');
  if (at < 0) return Object.hasOwn(labels, selector);
  return Object.hasOwn(labels, selector.slice(0, at)) && labels[selector.slice(0, at)] === selector.slice(at + 1);
}

export class FakeTemplates implements Templates {
  pools(): readonly PoolStatus[] {
    return [];
  }

  readonly records = new Map<string, TemplateRecord>();
  readonly adds: AddTemplate[] = [];
  hang = false;

  constructor() {
    this.records.set('whoami', record({ name: 'whoami', root: { builtin: 'whoami' } }, true));
  }

  async list(): Promise<readonly TemplateRecord[]> {
    return [...this.records.values()];
  }

  async get(_: Caller, name: string): Promise<TemplateRecord> {
    const found = this.records.get(name);
    if (found === undefined) throw new ArcError('template_not_found', `there is no template ${name.slice(0, 60)}`);
    return found;
  }

  async add(_: Caller, request: AddTemplate): Promise<TemplateRecord> {
    this.adds.push(request);
    if (this.records.has(request.template.name))
      throw new ArcError('template_exists', `${request.template.name} exists`);
    for (let done = 0; done <= 3; done += 1)
      request.onProgress?.({ layer: 'sha256:aa', done, total: 3, phase: 'downloading' });
    if (this.hang) {
      await new Promise((_resolve, reject) => {
        request.signal.addEventListener('abort', () => reject(request.signal.reason), { once: true });
      });
    }
    if ('image' in request.template.root && request.template.root.image === 'missing') {
      throw new ArcError('image_not_found', 'the registry has no image missing');
    }
    const added = record(request.template, false);
    this.records.set(request.template.name, added);
    return added;
  }

  async remove(caller: Caller, name: string): Promise<void> {
    await this.get(caller, name);
    this.records.delete(name);
  }

  async prune() {
    return { layers: 2, bytes: 4096 };
  }
}

function record(template: TemplateRecord['template'], builtin: boolean): TemplateRecord {
  return { template, builtin, createdAt: START, resolved: { ...SPEC, template: template.name } };
}

export class FakeKeys implements Keys {
  readonly byHash = new Map<string, { key: KeyRecord }>();
  #next = 0;

  make(owner: string, scopes: readonly Scope[]): string {
    this.#next += 1;
    const secret = `arc_${owner}_${this.#next}_secret`;
    const hash = createHash('sha256').update(secret).digest('hex');
    const key: KeyRecord = {
      id: `key-${'abcdefgh'[this.#next % 8]}aaa`,
      name: owner,
      owner,
      scopes,
      createdAt: START,
      hash,
    };
    this.byHash.set(hash, { key });
    return secret;
  }

  async authenticate(secret: string): Promise<Caller> {
    const held = this.byHash.get(createHash('sha256').update(secret).digest('hex'));
    if (held === undefined) throw new ArcError('unauthorized', 'the key is not known');
    return { owner: held.key.owner, keyId: held.key.id, scopes: held.key.scopes };
  }

  async callerOf(keyId: string): Promise<Caller | undefined> {
    const key = [...this.byHash.values()].find((held) => held.key.id === keyId)?.key;
    return key && { owner: key.owner, keyId, scopes: key.scopes };
  }

  async create(_: Caller, request: { name: string; owner: string; scopes: readonly Scope[] }) {
    const secret = this.make(request.owner, request.scopes);
    const key = [...this.byHash.values()].at(-1)?.key;
    if (key === undefined) throw new Error('no key');
    return { key: { ...key, name: request.name }, secret };
  }

  async list(): Promise<readonly KeyRecord[]> {
    return [...this.byHash.values()].map(({ key }) => key);
  }

  async revoke(_: Caller, id: string): Promise<void> {
    const found = [...this.byHash].find(([, { key }]) => key.id === id);
    if (found === undefined) throw new ArcError('key_not_found', `there is no key ${id.slice(0, 60)}`);
    this.byHash.delete(found[0]);
  }
}
