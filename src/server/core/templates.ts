import { ArcError } from '../../contract/errors.ts';
import type { Template } from '../../contract/schemas/template.ts';
import type { RootRef } from '../../contract/spec.ts';
import { ALL_TEMPLATES, checkLoosening, type LooseningPolicy, mayLoosen } from '../../domain/loosening.ts';
import type { Cidr } from '../../domain/network/cidr.ts';
import { openRanges } from '../../domain/network/resolve-network.ts';
import { resolveTemplate } from '../../domain/resolve.ts';
import type { AddedRoot, Images } from '../../host/images.ts';
import type { Clock } from '../../kit/clock.ts';
import { SharedGate } from '../../kit/mutex.ts';
import type { Store, Write } from '../../store/store.ts';
import type { AddTemplate, Caller, EventRecord, PoolStatus, TemplateRecord, Templates } from '../service.ts';
import { auditWrite } from './audit.ts';
import { PAGE_ROWS } from './options.ts';
import { SANDBOX, type SandboxRow } from './row.ts';
import { requireScope } from './scopes.ts';

const TEMPLATE = 'template';
/** Templates kept, beside the builtin ones. */
const TEMPLATES_MAX = 1_000;

/** What keeps sandboxes ready of templates, and must know when one comes or goes. */
export interface TemplatePools {
  added(record: TemplateRecord): Promise<void>;
  leaving(name: string): void;
  /** Roots of what it holds. */
  roots(): readonly RootRef[];
  status(name: string): PoolStatus | undefined;
  statuses(): readonly PoolStatus[];
}

/** Templates in the store and those that are there from the start, over the images that hold their roots. */
export class TemplateStore implements Templates {
  readonly #store: Store;
  readonly #images: Images;
  readonly #clock: Clock;
  readonly #pools: TemplatePools;
  readonly #loosening: LooseningPolicy;
  readonly #open: readonly Cidr[];
  readonly #builtins: ReadonlyMap<string, TemplateRecord>;
  /** Shared by adds, which hold layers that no template names yet; a prune is alone. */
  readonly #adding = new SharedGate();
  /** Shared by creates; a removal and a prune are alone, so that no create begins from what goes. */
  readonly #uses = new SharedGate();

  constructor(
    deps: {
      store: Store;
      images: Images;
      clock: Clock;
      pools: TemplatePools;
      loosening?: LooseningPolicy;
      networkOpen?: readonly string[];
    },
    builtins: readonly Template[],
  ) {
    this.#store = deps.store;
    this.#pools = deps.pools;
    this.#images = deps.images;
    this.#clock = deps.clock;
    this.#loosening = deps.loosening ?? ALL_TEMPLATES;
    this.#open = openRanges(deps.networkOpen ?? []);
    const createdAt = deps.clock.now();
    this.#builtins = new Map(
      builtins.map((template) => [
        template.name,
        { template, builtin: true, createdAt, resolved: resolveTemplate(template, knownRoot(template)) },
      ]),
    );
  }

  async list(caller: Caller): Promise<readonly TemplateRecord[]> {
    requireScope(caller, 'templates:read');
    const stored = (await this.#stored()).filter((record) => !this.#builtins.has(record.template.name));
    const all = [...this.#builtins.values(), ...stored];
    return all.map((one) => this.#shown(one)).sort((a, b) => (a.template.name < b.template.name ? -1 : 1));
  }

  /** Begins the pools of all templates. */
  async begin(): Promise<void> {
    for (const record of [...this.#builtins.values(), ...(await this.#stored())]) {
      const { capabilities, template } = record.resolved;
      // One that the policy names no more is refused to every create, so nothing of it is kept warm.
      if (capabilities.length === 0 || mayLoosen(this.#loosening, template)) await this.#pools.added(record);
    }
  }

  pools(): readonly PoolStatus[] {
    return this.#pools.statuses();
  }

  #shown(record: TemplateRecord): TemplateRecord {
    const pool = this.#pools.status(record.template.name);
    return pool ? { ...record, pool } : record;
  }

  async get(caller: Caller, name: string): Promise<TemplateRecord> {
    requireScope(caller, 'templates:read');
    return this.#shown(await this.#find(name));
  }

  /** The template stays as it is, and its layers where they are, until `work` is done. */
  async using<T>(name: string, work: (template: TemplateRecord) => Promise<T>): Promise<T> {
    return await this.#uses.shared(async () => await work(await this.#find(name)));
  }

  async add(caller: Caller, request: AddTemplate): Promise<TemplateRecord> {
    requireScope(caller, 'templates:write');
    const { template } = request;
    await this.#checkAdd(template);
    let taken = false;
    try {
      return await this.#adding.shared(async () => {
        const added = await this.#takeIn(request);
        taken = 'image' in template.root || 'path' in template.root;
        const record = this.#record(template, added, caller.owner);
        await this.#store.commit([
          { op: 'put', kind: TEMPLATE, id: template.name, value: record, ifRevision: 0 },
          ...this.#changed(caller, template.name, 'added', 'template.add'),
        ]);
        await this.#pools.added(record);
        return this.#shown(record);
      });
    } catch (error) {
      // What was taken in for a template that did not come to be goes again, unless another add is under way.
      if (taken && this.#adding.idle) await this.#pruneNow().catch(() => {});
      if (error instanceof ArcError && error.code === 'conflict') throw exists(template.name);
      throw error;
    }
  }

  async #checkAdd(template: Template): Promise<void> {
    if (this.#builtins.has(template.name) || (await this.#store.get(TEMPLATE, template.name)))
      throw exists(template.name);
    if ((await this.#store.count({ kind: TEMPLATE })) >= TEMPLATES_MAX) {
      throw new ArcError('invalid_request', `there are ${TEMPLATES_MAX} templates already; remove some first`);
    }
    // Faults of the document are told before anything is fetched.
    const ports = template.ports ?? [80];
    checkLoosening(
      this.#loosening,
      resolveTemplate(template, { kind: 'layers', digests: [] }, { ports }, undefined, this.#open),
    );
  }

  async #takeIn(request: AddTemplate): Promise<AddedRoot> {
    const { template, credentials, signal, onProgress } = request;
    const { root } = template;
    signal.throwIfAborted();
    if ('image' in root) {
      return await this.#images.pull({
        image: root.image,
        signal,
        ...(credentials ? { credentials } : {}),
        ...(onProgress ? { onProgress } : {}),
      });
    }
    if ('path' in root) return await this.#images.addPath(root.path, signal);
    const known = knownRoot(template);
    await this.#images.resolve(known);
    return { root: known, defaults: {} };
  }

  #record(template: Template, added: AddedRoot, owner: string): TemplateRecord {
    const resolved = resolveTemplate(template, added.root, added.defaults, owner, this.#open);
    return {
      template: { ...template, root: heldRoot(template, added) },
      builtin: false,
      createdAt: this.#clock.now(),
      resolved,
    };
  }

  async remove(caller: Caller, name: string): Promise<void> {
    requireScope(caller, 'templates:write');
    await this.#uses.alone(async () => {
      if (this.#builtins.has(name)) throw new ArcError('forbidden', `${name} is a builtin template`);
      const doc = await this.#store.get<TemplateRecord>(TEMPLATE, name);
      if (!doc) throw notFound(name);
      const inUse = await this.#users(name);
      if (inUse > 0) {
        throw new ArcError('template_in_use', `${inUse} sandboxes are made from ${name}`, {
          extra: { sandboxes: inUse },
        });
      }
      this.#pools.leaving(name);
      try {
        await this.#store.commit([
          { op: 'delete', kind: TEMPLATE, id: name, ifRevision: doc.revision },
          ...this.#changed(caller, name, 'removed', 'template.remove'),
        ]);
      } catch (error) {
        await this.#pools.added(doc.value);
        throw error;
      }
    });
  }

  /** Live sandboxes of it; failed ones hold nothing and don't stand in the way. */
  async #users(name: string): Promise<number> {
    const template = { index: 'template', value: name };
    const live = await this.#store.count({ kind: SANDBOX, where: [template, { index: 'live', value: '1' }] });
    const failed = await this.#store.count({ kind: SANDBOX, where: [template, { index: 'state', value: 'failed' }] });
    return live - failed;
  }

  async prune(caller: Caller): Promise<{ readonly layers: number; readonly bytes: number }> {
    requireScope(caller, 'templates:write');
    return await this.#pruneNow();
  }

  async #pruneNow(): Promise<{ readonly layers: number; readonly bytes: number }> {
    return await this.#adding.alone(() =>
      this.#uses.alone(async () => await this.#images.prune(await this.#rootsInUse())),
    );
  }

  async #rootsInUse(): Promise<readonly RootRef[]> {
    const roots = new Map<string, RootRef>();
    const note = (root: RootRef) => roots.set(JSON.stringify(root), root);
    for (const { resolved } of this.#builtins.values()) note(resolved.root);
    for (const { resolved } of await this.#stored()) note(resolved.root);
    for (const root of this.#pools.roots()) note(root);
    let after: string | undefined;
    for (;;) {
      const page = await this.#store.list<SandboxRow>({
        kind: SANDBOX,
        where: [{ index: 'live', value: '1' }],
        limit: PAGE_ROWS,
        ...(after === undefined ? {} : { after }),
      });
      for (const doc of page) note(doc.value.spec.root);
      after = page.at(-1)?.id;
      if (page.length < PAGE_ROWS) return [...roots.values()];
    }
  }

  async #find(name: string): Promise<TemplateRecord> {
    const record = this.#builtins.get(name) ?? (await this.#store.get<TemplateRecord>(TEMPLATE, name))?.value;
    if (!record) throw notFound(name);
    return record;
  }

  async #stored(): Promise<readonly TemplateRecord[]> {
    return (await this.#store.list<TemplateRecord>({ kind: TEMPLATE, limit: TEMPLATES_MAX })).map((doc) => doc.value);
  }

  #changed(caller: Caller, name: string, detail: string, action: string): readonly Write[] {
    const value: EventRecord = {
      time: this.#clock.now(),
      type: 'template',
      subject: name,
      owner: caller.owner,
      detail,
    };
    const audit = auditWrite(caller, value.time, { action, subject: name, outcome: 'done' });
    return [{ op: 'event', value }, audit];
  }
}

/** The root of a template that names what is held already. */
function knownRoot({ name, root }: Template): RootRef {
  if ('builtin' in root) return { kind: 'builtin', name: root.builtin };
  if ('layers' in root) return { kind: 'layers', digests: root.layers };
  throw new ArcError('invalid_template', `root: template ${name} names an image or a path that was not taken in`);
}

/** As the document is kept: what an image or a folder became, by content. */
function heldRoot(template: Template, added: AddedRoot): Template['root'] {
  const { root } = template;
  if ('builtin' in root || 'layers' in root || added.root.kind === 'builtin') return root;
  return {
    layers: [...added.root.digests],
    ...('image' in root ? { image: root.image } : {}),
    ...(added.digest === undefined ? {} : { digest: added.digest }),
  };
}

function notFound(name: string): ArcError {
  return new ArcError('template_not_found', `there is no template ${JSON.stringify(name.slice(0, 80))}`);
}

function exists(name: string): ArcError {
  return new ArcError('template_exists', `there is a template ${name} already`);
}
