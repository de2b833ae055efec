import { type Static, Type } from 'typebox';
import { LEVELS, REASONS, STATES } from '../states.ts';
import {
  Access,
  Command,
  DurationText,
  Env,
  Idle,
  Labels,
  LevelName,
  NAME_PATTERN,
  Network,
  SecretUses,
  SizeText,
} from './template.ts';

const closed = { additionalProperties: false } as const;

export const Files = Type.Record(
  Type.String({ pattern: '^/[^\\u0000]{1,1023}$' }),
  Type.String({ maxLength: 65_536 }),
  { maxProperties: 16, ...closed },
);

/** POST /v1/sandboxes */
export const CreateRequest = Type.Object(
  {
    template: Type.String({ pattern: NAME_PATTERN }),
    command: Type.Optional(Command),
    env: Type.Optional(Env),
    labels: Type.Optional(Labels),
    /** `auto`: the strongest that can be had within what the template allows. Default: the template's least. */
    isolation: Type.Optional(Type.Enum([...LEVELS, 'auto'] as const)),
    memory: Type.Optional(SizeText),
    cpus: Type.Optional(Type.Number({ minimum: 0.01, maximum: 256 })),
    pids: Type.Optional(Type.Integer({ minimum: 2, maximum: 32_768 })),
    disk: Type.Optional(SizeText),
    network: Type.Optional(Network),
    ttl: Type.Optional(DurationText),
    /** `token`: everybody who comes through the edge needs a token. A create can not open what its template closes. */
    access: Type.Optional(Type.Literal('token')),
    /** Secrets of whoever creates it, beside those of the template. */
    secrets: Type.Optional(SecretUses),
    /** Small text files by absolute path, written before the answer. */
    files: Type.Optional(Files),
    /** In place of the template's; `none`: being idle never stops it. */
    idle: Type.Optional(Type.Union([Type.Literal('none'), Idle])),
  },
  { ...closed, $id: 'CreateRequest' },
);
export type CreateRequest = Static<typeof CreateRequest>;

export const StateName = Type.Enum(STATES);
export const ReasonName = Type.Enum(REASONS);

export const ExitView = Type.Object(
  {
    code: Type.Union([Type.Integer(), Type.Null()]),
    signal: Type.Union([Type.String(), Type.Null()]),
    oom: Type.Boolean(),
    at: Type.String({ format: 'date-time' }),
    note: Type.Optional(Type.String()),
  },
  closed,
);

/** The next thing that will stop a sandbox, if nobody does anything about it. */
export const StopsView = Type.Object(
  {
    at: Type.String({ format: 'date-time' }),
    /** `hard-limit`: nobody uses it; each use puts it off. `ttl`: its time to live; only an extend puts it off. */
    why: ReasonName,
    then: Type.Union([Type.Literal('frozen'), Type.Literal('stopped'), Type.Literal('removed')]),
  },
  closed,
);

/** A sandbox as the API shows it. Times are RFC 3339 in UTC. */
export const Sandbox = Type.Object(
  {
    id: Type.String(),
    state: StateName,
    reason: ReasonName,
    /** A sentence for people on why it is in this state, where there is more to say than the reason. */
    detail: Type.Optional(Type.String()),
    template: Type.String(),
    isolation: LevelName,
    /** What the level protects from, and what it does not. */
    protection: Type.String(),
    owner: Type.String(),
    labels: Labels,
    url: Type.Optional(Type.String()),
    urls: Type.Record(Type.String(), Type.String()),
    /** Who reaches it through the edge; absent: everybody who knows the address. */
    access: Type.Optional(Access),
    node: Type.String(),
    incarnation: Type.Integer(),
    memory: SizeText,
    cpus: Type.Number(),
    disk: SizeText,
    network: Network,
    createdAt: Type.String({ format: 'date-time' }),
    startedAt: Type.Optional(Type.String({ format: 'date-time' })),
    /** When and why it will stop, and what becomes of it then; absent when nothing will stop it. */
    stops: Type.Optional(StopsView),
    /** When its time to live is over; absent when it has none. */
    expiresAt: Type.Optional(Type.String({ format: 'date-time' })),
    expiresReason: Type.Optional(ReasonName),
    exit: Type.Optional(ExitView),
    queuePosition: Type.Optional(Type.Integer()),
    /** How its first life began: `claimed` from the template's pool, where it was running already, or `cold`. */
    start: Type.Optional(Type.Union([Type.Literal('claimed'), Type.Literal('cold')])),
    /** Which runtime gives the level, such as `crun`. */
    runtime: Type.Optional(Type.String()),
    /** Said where the level has more than one face, such as gVisor's network stack. */
    note: Type.Optional(Type.String()),
    history: Type.Array(
      Type.Object(
        {
          at: Type.String({ format: 'date-time' }),
          state: StateName,
          reason: ReasonName,
          detail: Type.Optional(Type.String()),
        },
        closed,
      ),
    ),
  },
  { ...closed, $id: 'Sandbox' },
);
export type Sandbox = Static<typeof Sandbox>;

export const SandboxList = Type.Object(
  { items: Type.Array(Sandbox), nextCursor: Type.Optional(Type.String()) },
  { ...closed, $id: 'SandboxList' },
);
export type SandboxList = Static<typeof SandboxList>;

/** One condition that an operator is told of; in the events of type `alert`. */
export const AlertView = Type.Object(
  {
    /** Of which kind, such as `disk-low`. */
    name: Type.String(),
    /** Of what: a node, a template. */
    subject: Type.String(),
    status: Type.Union([Type.Literal('firing'), Type.Literal('resolved')]),
    severity: Type.Union([Type.Literal('warning'), Type.Literal('critical')]),
    /** A sentence with its figures. */
    summary: Type.String(),
    since: Type.String({ format: 'date-time' }),
  },
  closed,
);
export type AlertView = Static<typeof AlertView>;

export const EVENT_TYPES = ['sandbox', 'template', 'key', 'hook', 'alert'] as const;

/** One change, as `/v1/events` sends it; `id` is the SSE id to resume from. */
export const Event = Type.Object(
  {
    id: Type.Integer(),
    time: Type.String({ format: 'date-time' }),
    /** Those of keys, hooks and alerts are for admins. */
    type: Type.Enum(EVENT_TYPES),
    subject: Type.String(),
    owner: Type.String(),
    state: Type.Optional(StateName),
    from: Type.Optional(StateName),
    reason: Type.Optional(ReasonName),
    detail: Type.Optional(Type.String()),
    labels: Type.Optional(Labels),
    incarnation: Type.Optional(Type.Integer()),
    /** With the state `warned`: what it is warned of. */
    stops: Type.Optional(StopsView),
    /** With the type `alert`: what began and what is over. */
    alerts: Type.Optional(Type.Array(AlertView)),
  },
  { ...closed, $id: 'Event' },
);
export type Event = Static<typeof Event>;
