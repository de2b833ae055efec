import { ArcError } from '../../contract/errors.ts';
import { encodeId, ID_BYTES } from '../../contract/ids.ts';
import type { CreateRequest } from '../../contract/schemas/sandbox.ts';
import type { Network } from '../../contract/schemas/template.ts';
import type { State } from '../../contract/states.ts';
import type { LevelSeen } from '../../domain/choose-level.ts';
import { expiryForPeople } from '../../domain/deadline.ts';
import { born, isPending, isUp, transition } from '../../domain/lifecycle.ts';
import { checkLoosening } from '../../domain/loosening.ts';
import { mergeLabels, resolveRequest } from '../../domain/resolve.ts';
import type { Engine, NodeReport } from '../../engines/engine.ts';
import { KeyedMutex } from '../../kit/mutex.ts';
import type { Write } from '../../store/store.ts';
import type {
  Caller,
  CreateOptions,
  EventRecord,
  ListFilter,
  Page,
  Sandboxes,
  SandboxRecord,
  TemplateRecord,
  Use,
} from '../service.ts';
import { auditWrite, labelsOf } from './audit.ts';
import type { Core } from './context.ts';
import { type Ending, goneError } from './ending.ts';
import type { Expiry } from './expiry.ts';
import { extendedRow, inGrace } from './extension.ts';
import { feed } from './feed.ts';
import { envFile, LATE_ENV_FILE } from './files.ts';
import { type IdempotencyKey, idempotencyKey, usedFor, useWrite } from './idempotency.ts';
import { lifeOf } from './life.ts';
import { countByState, listPage } from './listing.ts';
import { changeNetwork } from './network-change.ts';
import { nextLife } from './node-lost.ts';
import type { Notices } from './notices.ts';
import { oneThere } from './only.ts';
import { beginWait, verdict, type Wait } from './outcome.ts';
import { claim } from './pool/claim.ts';
import type { Pools } from './pool/pools.ts';
import {
  eventWrite,
  onlyKey,
  publicRecord,
  routeOf,
  type SandboxRow,
  sandboxEvent,
  type Versioned,
  wakes,
} from './row.ts';
import { isAdmin, requireScope } from './scopes.ts';
import type { Starter } from './starter.ts';
import type { TemplateStore } from './templates.ts';
import type { Waking } from './waking.ts';

/** Tries to find an id that nobody has had. */
const ID_TRIES_MAX = 4;
/** ms that an extend waits for what it starts again. */
const REVIVE_WAIT_MS = 30_000;
/** Two clocks disagree by less. */
const SAME_MOMENT_MS = 50;
const GONE = { reason: 'user', detail: 'its client went away while it was being created' } as const;

type What = Required<Pick<SandboxRow, 'spec' | 'labels' | 'files'>> & { readonly only: boolean };

export interface SandboxParts {
  readonly templates: TemplateStore;
  readonly starter: Starter;
  readonly ending: Ending;
  readonly expiry: Expiry;
  readonly pools: Pools;
  readonly waking: Waking;
  readonly notices: Notices;
}

export class SandboxService implements Sandboxes {
  readonly engine: Engine;
  readonly #core: Core;
  readonly #templates: TemplateStore;
  readonly #starter: Starter;
  readonly #ending: Ending;
  readonly #expiry: Expiry;
  readonly #pools: Pools;
  readonly #waking: Waking;
  readonly #notices: Notices;
  readonly #onlys = new KeyedMutex();

  constructor(core: Core, parts: SandboxParts) {
    this.#core = core;
    this.engine = core.engine;
    this.#templates = parts.templates;
    this.#starter = parts.starter;
    this.#ending = parts.ending;
    this.#expiry = parts.expiry;
    this.#pools = parts.pools;
    this.#waking = parts.waking;
    this.#notices = parts.notices;
  }

  async create(caller: Caller, request: CreateRequest, options: CreateOptions): Promise<SandboxRecord> {
    requireScope(caller, 'sandboxes:write');
    this.#throwIfClosing();
    options.signal.throwIfAborted();
    const key =
      options.idempotencyKey === undefined ? undefined : idempotencyKey(caller, options.idempotencyKey, request);
    const earlier = key && (await usedFor(this.#core.store, key));
    if (earlier !== undefined) return await this.#sameAgain(earlier, options);
    const seen = request.isolation === 'auto' ? await this.#levels() : this.#levelsUntried();
    const made = await this.#pools.behind(() =>
      this.#templates.using(request.template, (template) =>
        this.#begin(caller, template, { request, seen }, key, options),
      ),
    );
    if (typeof made === 'string') return await this.#sameAgain(made, options);
    if (made.row.start === 'claimed') return await this.#afterClaim(made, options, key === undefined);
    return await this.#afterWrite(made, options, key === undefined);
  }

  /** Enough for a create that asks for no level, and costs no trying of any. */
  #levelsUntried(): readonly LevelSeen[] {
    return (this.engine.levels ?? []).map((level) => ({ level, available: true }));
  }

  /** A warm one where there is one that fits, else a row that waits for its start. */
  async #begin(
    caller: Caller,
    template: TemplateRecord,
    { request, seen }: { readonly request: CreateRequest; readonly seen: readonly LevelSeen[] },
    key: IdempotencyKey | undefined,
    options: CreateOptions,
  ): Promise<Versioned | string> {
    const { name } = template.template;
    const what = { ...this.#wanted(caller, template, request, seen), only: this.#isOnly(caller, template) };
    // One after the other, so that who asks twice at once finds what is there, and takes no second one to throw away.
    if (what.only)
      return await this.#onlys.run(onlyKey(caller.owner, name), () => this.#take(caller, name, what, key, options));
    return await this.#take(caller, name, what, key, options);
  }

  async #take(
    caller: Caller,
    name: string,
    what: What,
    key: IdempotencyKey | undefined,
    options: CreateOptions,
  ): Promise<Versioned | string> {
    const { quotas, store } = this.#core;
    const there = what.only ? await oneThere(store, caller.owner, name) : undefined;
    if (there !== undefined) return there;
    this.#checkPlaces();
    // What can't be had is said now, and not when it starts.
    await this.#core.secrets.placed({ owner: caller.owner, spec: what.spec });
    // Before a warm one is touched for nothing; the write itself decides.
    await quotas.check({ owner: caller.owner, state: 'queued', spec: what.spec });
    const audit = (row: SandboxRow) => this.#audit(caller, 'create', row);
    const wanted = { template: name, owner: caller.owner, ...what, key, audit, signal: options.signal };
    const began = this.#core.clock.monotonic();
    const claimed = await claim(this.#core, this.#pools, wanted);
    if (claimed !== undefined) {
      const about = { id: typeof claimed === 'string' ? claimed : claimed.row.id, level: what.spec.isolation };
      this.#core.vitals.took(about, 'claim', began);
      return claimed;
    }
    this.#core.admission.checkRoom(caller.owner);
    return await this.#insert(caller, what, key);
  }

  #wanted(caller: Caller, template: TemplateRecord, request: CreateRequest, seen: readonly LevelSeen[]) {
    checkLoosening(this.#core.options.loosening, template.resolved);
    const spec = resolveRequest(template.resolved, request, seen, caller.owner);
    if (spec.idle?.then === 'frozen' && !this.engine.capabilities.park) {
      throw new ArcError('invalid_request', `idle.then: the engine ${this.engine.name} can not freeze sandboxes`);
    }
    const labels = mergeLabels(template.template.labels, request.labels);
    const late = spec.pool?.env === 'late' && Object.keys(request.env ?? {}).length > 0;
    const files = { ...request.files, ...(late ? { [LATE_ENV_FILE]: envFile(request.env ?? {}) } : {}) };
    return { spec, labels, files };
  }

  #isOnly(caller: Caller, { resolved }: TemplateRecord): boolean {
    return resolved.onePerOwner === true || this.#core.quotas.of(caller.owner).onePerTemplate === true;
  }

  async #afterClaim(made: Versioned, options: CreateOptions, removable: boolean): Promise<SandboxRecord> {
    const { row } = made;
    this.#expiry.arm(row);
    if (options.signal.aborted && removable) await this.#ending.cancelAndRemove(row.id, GONE);
    options.signal.throwIfAborted();
    return this.#view(row);
  }

  /** One commit: the row, its first events, its idempotency key. Gives an id where that key was used meanwhile. */
  async #insert(caller: Caller, what: What, key: IdempotencyKey | undefined): Promise<Versioned | string> {
    for (let tries = 1; ; tries++) {
      const id = encodeId('sb', this.#core.rng.bytes(ID_BYTES));
      const reserved = this.#starter.reserve(id);
      const row = this.#newRow(id, caller, what, reserved, key);
      try {
        const audit = this.#audit(caller, 'create', row);
        return await this.#core.rows.insert(row, [audit, ...(key ? [useWrite(key, id)] : [])]);
      } catch (error) {
        if (reserved) this.#starter.release(id);
        if (!(error instanceof ArcError && error.code === 'conflict') || tries >= ID_TRIES_MAX) throw error;
        const used = key && (await usedFor(this.#core.store, key));
        const there = what.only ? await oneThere(this.#core.store, caller.owner, what.spec.template) : undefined;
        if (used !== undefined || there !== undefined) return used ?? there ?? id;
      }
    }
  }

  #newRow(
    id: string,
    caller: Caller,
    { spec, labels, files, only }: What,
    starting: boolean,
    key: IdempotencyKey | undefined,
  ): SandboxRow {
    const { clock, time } = this.#core;
    const now = clock.now();
    const { ttlMs } = spec;
    const tcpPorts = this.#core.rows.ports.take(id, spec.tcp ?? []);
    const queued: SandboxRow = {
      id,
      owner: caller.owner,
      ...{ spec, labels, start: 'cold' },
      ...(Object.keys(files).length > 0 ? { files } : {}),
      ...(only ? { only } : {}),
      ...(tcpPorts ? { tcpPorts } : {}),
      ...born('queued', 'created', now),
      incarnation: 1,
      fresh: true,
      createdAt: now,
      ...(ttlMs === null ? {} : { deadline: time.in(ttlMs), expiresAt: expiryForPeople(undefined, ttlMs, now) }),
      ...(key ? { idempotency: key.id } : {}),
    };
    return starting ? transition(queued, 'starting', 'created', now) : queued;
  }

  /** The wait begins before the start does, so that nothing is missed. */
  async #afterWrite(made: Versioned, options: CreateOptions, removable: boolean): Promise<SandboxRecord> {
    const { row } = made;
    const wait = options.waitMs > 0 ? beginWait(this.#core, row.id, row.incarnation) : undefined;
    await this.#core.router.set(routeOf(row));
    if (row.state === 'starting') this.#starter.begin(made);
    else this.#starter.enqueue(row.id, row.owner);
    return wait ? await this.#finishWait(row, wait, options, removable) : this.#view(row);
  }

  async #finishWait(row: SandboxRow, wait: Wait, options: CreateOptions, removable: boolean): Promise<SandboxRecord> {
    const outcome = await wait.outcome(options);
    if (outcome.kind === 'settled') return this.#view(outcome.row);
    if (outcome.kind === 'abandoned') {
      if (removable) await this.#ending.cancelAndRemove(row.id, GONE);
      options.signal.throwIfAborted();
    }
    const newest = await this.#core.rows.read(row.id);
    return this.#view(newest?.row ?? row);
  }

  /** A create that was asked for before, by the same key and with the same body; or of what there may be one of. */
  async #sameAgain(id: string, options: CreateOptions): Promise<SandboxRecord> {
    const wait = beginWait(this.#core, id, 1);
    try {
      const found = await this.#core.rows.read(id);
      if (!found) throw new ArcError('sandbox_gone', `${id}, which this key created, is forgotten`);
      const settled = verdict(found.row);
      if (settled || options.waitMs <= 0) return this.#view(settled ?? found.row);
      return await this.#finishWait(found.row, wait, options, false);
    } finally {
      wait.leave();
    }
  }

  async get(caller: Caller, id: string): Promise<SandboxRecord> {
    return this.#view((await this.#visible(caller, id)).row);
  }

  async list(caller: Caller, filter: ListFilter): Promise<Page<SandboxRecord>> {
    requireScope(caller, 'sandboxes:read');
    const page = await listPage(this.#core.store, caller, filter);
    return { ...page, items: page.items.map((row) => this.#view(row)) };
  }

  countByState(): Promise<Readonly<Record<State, number>>> {
    return countByState(this.#core.store);
  }

  async remove(caller: Caller, id: string): Promise<SandboxRecord> {
    requireScope(caller, 'sandboxes:write');
    const audit = this.#audit(caller, 'remove', (await this.#owned(caller, id)).row);
    const row = await this.#ending.cancelAndRemove(id, { reason: 'user', audit });
    if (!row) throw notFound(id);
    return this.#view(row);
  }

  async restart(caller: Caller, id: string, options: CreateOptions): Promise<SandboxRecord> {
    return await this.#again(caller, id, 'restart', options);
  }

  async reset(caller: Caller, id: string, options: CreateOptions): Promise<SandboxRecord> {
    return await this.#again(caller, id, 'reset', options);
  }

  async #again(caller: Caller, id: string, why: 'restart' | 'reset', options: CreateOptions): Promise<SandboxRecord> {
    requireScope(caller, 'sandboxes:write');
    this.#throwIfClosing();
    options.signal.throwIfAborted();
    const seen = (await this.#visible(caller, id)).row;
    if (isPending(seen.state)) throw startingError(seen);
    const next = await this.#core.lanes.run(id, async () => {
      const found = await this.#core.rows.read(id);
      if (!found) throw notFound(id);
      if (found.row.state === 'removed') throw goneError(found.row);
      // Somebody was faster: what was to be restarted is not there any more.
      if (found.row.incarnation !== seen.incarnation || isPending(found.row.state)) {
        throw startingError(found.row);
      }
      // A failed one has nothing left to go on with.
      if (inGrace(found.row)) {
        throw new ArcError('wrong_state', `the time of ${id} is over; extend it, and it starts again`);
      }
      const asleep = found.row.state === 'stopped' && found.row.parked?.keep === false;
      const fresh = why === 'reset' || found.row.state === 'failed' || asleep;
      this.#expiry.disarm(id);
      try {
        return await this.#core.rows.change(
          found,
          (row) => nextLife(row, why, this.#core.clock.now(), fresh),
          (row) => [this.#audit(caller, why, row)],
        );
      } catch (error) {
        this.#expiry.arm(found.row);
        throw error;
      }
    });
    return await this.#afterWrite(next, options, false);
  }

  async extend(caller: Caller, id: string, ms: number): Promise<SandboxRecord> {
    requireScope(caller, 'sandboxes:write');
    const found = await this.#visible(caller, id);
    const { activity, clock, rows } = this.#core;
    const now = clock.now();
    if (inGrace(found.row)) return await this.#revive(caller, found, ms);
    const event = (row: SandboxRow) =>
      eventWrite(sandboxEvent(row, { at: now, state: row.state, reason: 'extend' }, row.state));
    const { row } = await rows.change(
      found,
      (newest) => extendedRow(this.#core, newest, ms),
      (next) => [this.#audit(caller, 'extend', next), ...(next.history === found.row.history ? [event(next)] : [])],
    );
    if (row.spec.idle) activity.promise(id, ms, row.spec.idle.hardMs);
    this.#expiry.arm(row);
    return this.#view(row);
  }

  /** Its time was over, and it has not been removed yet: it gets more, and starts again. */
  async #revive(caller: Caller, seen: Versioned, ms: number): Promise<SandboxRecord> {
    const { clock, lanes, rows } = this.#core;
    const next = await lanes.run(seen.row.id, async () => {
      const found = await rows.read(seen.row.id);
      if (!found || !inGrace(found.row)) throw new ArcError('conflict', `${seen.row.id} has changed meanwhile`);
      return await rows.change(
        found,
        (row) => (inGrace(row) ? nextLife(extendedRow(this.#core, row, ms), 'extend', clock.now(), false) : row),
        (row) => [this.#audit(caller, 'extend', row)],
      );
    });
    return await this.#afterWrite(next, { waitMs: REVIVE_WAIT_MS, signal: new AbortController().signal }, false);
  }

  async setNetwork(caller: Caller, id: string, network: Network): Promise<SandboxRecord> {
    requireScope(caller, 'sandboxes:write');
    await this.#visible(caller, id);
    const { row } = await this.#core.lanes.run(id, async () => {
      const found = await this.#core.rows.read(id);
      if (!found) throw notFound(id);
      if (isPending(found.row.state)) throw startingError(found.row);
      return await changeNetwork(this.#core, found, caller, network, (next) => this.#audit(caller, 'network', next));
    });
    return this.#view(row);
  }

  async target(caller: Caller, id: string, options: { readonly anyState?: boolean } = {}): Promise<SandboxRecord> {
    const { row } = await this.#visible(caller, id);
    if (options.anyState || isUp(row.state)) return this.#view(row);
    const extra = { state: row.state, reason: row.reason };
    if (isPending(row.state)) throw startingError(row);
    throw new ArcError('wrong_state', `${id} is ${row.state} (${row.reason})`, { extra });
  }

  async #levels(): Promise<readonly LevelSeen[]> {
    return (await this.engine.nodes()).flatMap(({ levels }) => levels);
  }

  async awake(caller: Caller, id: string): Promise<SandboxRecord> {
    await this.#visible(caller, id);
    // Use first: whoever would park it either sees this, or has written by now that it is parked.
    this.#core.activity.touch(id);
    const { row } = await this.#visible(caller, id);
    if (wakes(row)) await this.#waking.wake(id);
    return await this.target(caller, id);
  }

  use(id: string): Use {
    return this.#core.activity.begin(id);
  }

  onWarning(id: string, listener: (text: string) => void): () => void {
    return this.#notices.listen(id, listener);
  }

  async nodes(): Promise<readonly NodeReport[]> {
    return await this.engine.nodes();
  }

  async newestEvent(): Promise<number> {
    return (await this.#core.store.eventBounds()).newest;
  }

  events(
    caller: Caller,
    afterSeq: number | undefined,
    signal: AbortSignal,
  ): AsyncIterable<{ readonly seq: number; readonly event: EventRecord }> {
    requireScope(caller, 'sandboxes:read');
    return feed(this.#core.store, caller, afterSeq, AbortSignal.any([signal, this.#core.closing]));
  }

  async #owned(caller: Caller, id: string): Promise<Versioned> {
    const found = await this.#core.rows.read(id);
    if (!found || (found.row.owner !== caller.owner && !isAdmin(caller))) throw notFound(id);
    return found;
  }

  async #visible(caller: Caller, id: string): Promise<Versioned> {
    requireScope(caller, 'sandboxes:read');
    const found = await this.#owned(caller, id);
    if (found.row.state === 'removed') throw goneError(found.row);
    return found;
  }

  #audit(
    caller: Caller,
    what: 'create' | 'remove' | 'extend' | 'network' | 'restart' | 'reset',
    row: SandboxRow,
  ): Write {
    const others = row.owner === caller.owner ? '' : ` of ${row.owner}`;
    const detail = `${row.spec.template}${others}`;
    return auditWrite(caller, this.#core.clock.now(), {
      ...{ action: `sandbox.${what}`, subject: row.id, outcome: 'done', detail },
      ...labelsOf(row),
    });
  }

  #view(row: SandboxRow): SandboxRecord {
    const { admission, clock, time } = this.#core;
    const position = row.state === 'queued' ? admission.position(row.id) : undefined;
    const record = publicRecord(row);
    const expiresAt = row.deadline && expiryForPeople(row.expiresAt, time.left(row.deadline), clock.now());
    const { expiresAt: _said, ...rest } = record;
    const { stops } = lifeOf(this.#core, row);
    return {
      ...rest,
      ...(stops
        ? { stops: { at: stopsAt(clock.now() + stops.inMs, expiresAt), why: stops.why, then: stops.then } }
        : {}),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(position === undefined ? {} : { queuePosition: position }),
    };
  }

  #checkPlaces(): void {
    const { options, rows } = this.#core;
    if (rows.present < options.sandboxesMax) return;
    throw new ArcError('at_capacity', `there are ${rows.present} sandboxes, and no more than that may be`, {
      hint: 'Remove some, or raise `--max-sandboxes`.',
    });
  }

  #throwIfClosing(): void {
    if (this.#core.closing.aborted) throw new ArcError('unavailable', 'Arc is stopping');
  }
}

/** The end of its time to live is said as the one moment that it is, whatever the two clocks make of it. */
function stopsAt(at: number, expiresAt: number | undefined): number {
  return expiresAt !== undefined && Math.abs(at - expiresAt) < SAME_MOMENT_MS ? expiresAt : Math.round(at);
}

function startingError(row: SandboxRow): ArcError {
  return new ArcError('starting', `${row.id} is ${row.state}`, { extra: { state: row.state, reason: row.reason } });
}

function notFound(id: string): ArcError {
  return new ArcError('sandbox_not_found', `there is no sandbox ${id.slice(0, 80)}`);
}
