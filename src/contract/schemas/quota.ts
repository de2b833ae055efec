import { type Static, Type } from 'typebox';
import { SizeText } from './template.ts';

const closed = { additionalProperties: false } as const;

export const OWNER_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$';
export const OwnerName = Type.String({ pattern: OWNER_PATTERN });

const Count = Type.Integer({ minimum: 0, maximum: 1_000_000_000 });
const None = Type.Literal('none');

/** What one owner may have. A member that is missing is as the server's settings say; `none`: no limit. */
export const QuotaRequest = Type.Object(
  {
    /** Sandboxes that run, wait for their start or are frozen. */
    running: Type.Optional(Type.Union([Count, None])),
    /** All of them, but those that failed. */
    total: Type.Optional(Type.Union([Count, None])),
    /** Memory limits of those that `running` counts, together. */
    memory: Type.Optional(Type.Union([SizeText, None])),
    /** All at once where none were made before; the next ones one by one. */
    createdPerMinute: Type.Optional(Type.Union([Count, None])),
    /** Asking again for a template gives the sandbox that is there. */
    onePerTemplate: Type.Optional(Type.Boolean()),
  },
  { ...closed, $id: 'QuotaRequest' },
);
export type QuotaRequest = Static<typeof QuotaRequest>;

/** Limits that hold; a member that is missing is no limit. */
export const QuotaLimits = Type.Object(
  {
    running: Type.Optional(Count),
    total: Type.Optional(Count),
    memory: Type.Optional(SizeText),
    createdPerMinute: Type.Optional(Count),
    onePerTemplate: Type.Optional(Type.Boolean()),
  },
  closed,
);

export const QuotaView = Type.Object(
  {
    owner: Type.String(),
    /** What was set for this owner; absent where only the server's settings hold. */
    own: Type.Optional(QuotaRequest),
    limits: QuotaLimits,
    used: Type.Object({ running: Count, total: Count, memory: SizeText }, closed),
  },
  { ...closed, $id: 'QuotaView' },
);
export type QuotaView = Static<typeof QuotaView>;
