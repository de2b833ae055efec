import { type Static, Type } from 'typebox';
import { LevelCostView, VerifiedView } from './levels.ts';
import { ExitView } from './sandbox.ts';
import { DurationText, LevelName, Network, SizeText, Template } from './template.ts';

/** Shapes of templates, keys, nodes and commands as the API shows them, and of the requests that change them. */

const closed = { additionalProperties: false } as const;

/** How the pool of a template stands. Counts are of this run of the server. */
export const PoolView = Type.Object(
  {
    min: Type.Integer(),
    max: Type.Integer(),
    /** What it should hold now, by recent demand and the memory there is. */
    target: Type.Integer(),
    ready: Type.Integer(),
    starting: Type.Integer(),
    /** Creates that were given a warm one; that found none ready; that asked for what a warm one can't become. */
    hits: Type.Integer(),
    misses: Type.Integer(),
    unfit: Type.Integer(),
    /** Why it holds less than it should. */
    problem: Type.Optional(Type.String()),
    /** When a start is tried again after failures. */
    retryAt: Type.Optional(Type.String({ format: 'date-time' })),
  },
  closed,
);

/** A template as the API shows it: the document that was added, and what it comes to with defaults filled in. */
export const TemplateView = Type.Object(
  {
    name: Type.String(),
    builtin: Type.Boolean(),
    createdAt: Type.String({ format: 'date-time' }),
    /** The document; adding it again makes the same template. */
    template: Template,
    effective: Type.Object(
      {
        command: Type.Array(Type.String()),
        cwd: Type.String(),
        user: Type.String(),
        ports: Type.Array(Type.Integer()),
        memory: SizeText,
        cpus: Type.Number(),
        pids: Type.Integer(),
        disk: SizeText,
        isolation: LevelName,
        network: Network,
        ttl: Type.Optional(DurationText),
      },
      closed,
    ),
    pool: Type.Optional(PoolView),
  },
  { ...closed, $id: 'TemplateView' },
);
export type TemplateView = Static<typeof TemplateView>;

export const RegistryCredentials = Type.Object(
  { username: Type.String({ maxLength: 512 }), password: Type.String({ maxLength: 8192 }) },
  closed,
);

/** POST /v1/templates takes the template document itself, or this. */
export const AddTemplateRequest = Type.Object(
  { template: Template, credentials: Type.Optional(RegistryCredentials) },
  { ...closed, $id: 'AddTemplateRequest' },
);
export type AddTemplateRequest = Static<typeof AddTemplateRequest>;

export const PruneResult = Type.Object(
  { layers: Type.Integer(), bytes: Type.Integer() },
  { ...closed, $id: 'PruneResult' },
);
export type PruneResult = Static<typeof PruneResult>;

export const ScopeName = Type.Union([
  Type.Literal('admin'),
  Type.Literal('sandboxes:read'),
  Type.Literal('sandboxes:write'),
  Type.Literal('templates:read'),
  Type.Literal('templates:write'),
]);

export const KeyRequest = Type.Object(
  {
    /** For people, to know it by. */
    name: Type.String({ pattern: '^[ -~]{1,64}$' }),
    owner: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$' }),
    scopes: Type.Array(ScopeName, { minItems: 1, maxItems: 5, uniqueItems: true }),
  },
  { ...closed, $id: 'KeyRequest' },
);
export type KeyRequest = Static<typeof KeyRequest>;

export const KeyView = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    owner: Type.String(),
    scopes: Type.Array(ScopeName),
    createdAt: Type.String({ format: 'date-time' }),
    /** Only in the answer that made the key; it is kept nowhere. */
    secret: Type.Optional(Type.String()),
  },
  { ...closed, $id: 'KeyView' },
);
export type KeyView = Static<typeof KeyView>;

export const NodeView = Type.Object(
  {
    name: Type.String(),
    levels: Type.Array(
      Type.Object(
        {
          level: LevelName,
          available: Type.Boolean(),
          emulated: Type.Optional(Type.Boolean()),
          runtime: Type.Optional(Type.String()),
          note: Type.String(),
          how: Type.Optional(Type.String()),
          cost: Type.Optional(LevelCostView),
          lacks: Type.Optional(Type.Array(Type.String())),
          verified: Type.Optional(VerifiedView),
        },
        closed,
      ),
    ),
    memoryBytes: Type.Integer(),
    cpus: Type.Number(),
    sandboxes: Type.Integer(),
    kernel: Type.String(),
    cgroup: Type.Union((['v2', 'v1', 'hybrid', 'none'] as const).map((kind) => Type.Literal(kind))),
  },
  { ...closed, $id: 'NodeView' },
);
export type NodeView = Static<typeof NodeView>;

export const Info = Type.Object(
  {
    version: Type.String(),
    domain: Type.String(),
    /** Base address of the edge; `EDGE/_sb/ID/…` reaches a sandbox for clients that can't resolve its name. */
    edge: Type.String(),
    engine: Type.String(),
    capabilities: Type.Record(Type.String(), Type.Boolean()),
    owner: Type.String(),
    scopes: Type.Array(ScopeName),
  },
  { ...closed, $id: 'Info' },
);
export type Info = Static<typeof Info>;

export const ExecInfoView = Type.Object(
  {
    id: Type.String(),
    sandbox: Type.String(),
    tty: Type.Boolean(),
    command: Type.Array(Type.String()),
    startedAt: Type.String({ format: 'date-time' }),
    exit: Type.Optional(Type.Object({ ...ExitView.properties, timedOut: Type.Boolean() }, closed)),
  },
  { ...closed, $id: 'ExecInfoView' },
);
export type ExecInfoView = Static<typeof ExecInfoView>;

export const SignalRequest = Type.Object(
  { signal: Type.String({ pattern: '^SIG[A-Z0-9+]{1,10}$', examples: ['SIGINT'] }) },
  { ...closed, $id: 'SignalRequest' },
);

export const ExtendRequest = Type.Object({ by: DurationText }, { ...closed, $id: 'ExtendRequest' });
export type ExtendRequest = Static<typeof ExtendRequest>;
