import { type Static, Type } from 'typebox';
import { STATES } from '../states.ts';
import { EVENT_TYPES } from './sandbox.ts';

const closed = { additionalProperties: false } as const;

const EventName = Type.String({
  pattern: `^(${EVENT_TYPES.join('|')})$|^sandbox\\.(${STATES.join('|')})$`,
  examples: ['sandbox.warned'],
});

/** POST /v1/hooks */
export const HookRequest = Type.Object(
  {
    /** Where messages are sent to by POST. */
    url: Type.String({ pattern: '^https?://[^\\s]{1,2000}$' }),
    /** `slack`: a text in the shape of Slack's incoming webhooks. */
    format: Type.Optional(Type.Union([Type.Literal('standard'), Type.Literal('slack')])),
    /** Types, or a type and a state. Default: `sandbox`. */
    events: Type.Optional(Type.Array(EventName, { minItems: 1, maxItems: 32, uniqueItems: true })),
    /** `key=value`, or `key` for any value; all must match. */
    labels: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 192 }), { maxItems: 16 })),
    owner: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  },
  { ...closed, $id: 'HookRequest' },
);
export type HookRequest = Static<typeof HookRequest>;

export const HookView = Type.Object(
  {
    id: Type.String(),
    url: Type.String(),
    format: Type.Union([Type.Literal('standard'), Type.Literal('slack')]),
    events: Type.Array(Type.String()),
    labels: Type.Array(Type.String()),
    owner: Type.Optional(Type.String()),
    createdAt: Type.String({ format: 'date-time' }),
    /** `ended`: the receiver answered 410, and nothing is sent there any more. */
    state: Type.Union([Type.Literal('ok'), Type.Literal('failing'), Type.Literal('ended')]),
    /** Of this event and all before it nothing is to be sent any more. */
    cursor: Type.Integer(),
    pending: Type.Integer(),
    /** Counts of this run of the server. */
    delivered: Type.Integer(),
    failed: Type.Integer(),
    givenUp: Type.Integer(),
    missed: Type.Integer(),
    problem: Type.Optional(Type.String()),
    retryAt: Type.Optional(Type.String({ format: 'date-time' })),
    /** What messages are signed with; only in the answer that made the hook. */
    secret: Type.Optional(Type.String()),
  },
  { ...closed, $id: 'HookView' },
);
export type HookView = Static<typeof HookView>;

/** One try to deliver one event. */
export const HookTryView = Type.Object(
  {
    time: Type.String({ format: 'date-time' }),
    /** Number of the event; behind the hook's id and a dot it is the `webhook-id`. */
    event: Type.Integer(),
    /** Such as `sandbox.warned`. */
    what: Type.String(),
    subject: Type.String(),
    /** `refused` and `down` are tried again; `ended`: nothing is sent there any more; `given-up`: tried for a day. */
    outcome: Type.Union((['taken', 'refused', 'down', 'ended', 'given-up'] as const).map((one) => Type.Literal(one))),
    ms: Type.Optional(Type.Integer()),
    detail: Type.Optional(Type.String()),
  },
  { ...closed, $id: 'HookTryView' },
);
export type HookTryView = Static<typeof HookTryView>;

/** What an operator should know of, and that goes on now. */
export const FiringView = Type.Object(
  {
    name: Type.String(),
    subject: Type.String(),
    severity: Type.Union([Type.Literal('warning'), Type.Literal('critical')]),
    summary: Type.String(),
    since: Type.String({ format: 'date-time' }),
  },
  { ...closed, $id: 'FiringView' },
);
export type FiringView = Static<typeof FiringView>;

/** What goes on now, what is over, and when each alert is told. */
export const AlertReport = Type.Object(
  {
    items: Type.Array(FiringView),
    /** The last ones that were told as resolved, the newest first. */
    over: Type.Array(Type.Object({ ...FiringView.properties, endedAt: Type.String({ format: 'date-time' }) }, closed)),
    /** When each alert is told, with the limits of this server. */
    rules: Type.Array(Type.Object({ name: Type.String(), when: Type.String() }, closed)),
  },
  { ...closed, $id: 'AlertReport' },
);
export type AlertReport = Static<typeof AlertReport>;

export const HookTestResult = Type.Object(
  { ok: Type.Boolean(), detail: Type.String(), ms: Type.Integer() },
  { ...closed, $id: 'HookTestResult' },
);
export type HookTestResult = Static<typeof HookTestResult>;
