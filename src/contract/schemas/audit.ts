import { type Static, Type } from 'typebox';
import { Labels } from './template.ts';

/** One change: who asked for it, from where, and what came of it. */
export const AuditEntry = Type.Object(
  {
    id: Type.Integer(),
    time: Type.String({ format: 'date-time' }),
    owner: Type.String(),
    /** The key that asked, or the link. */
    key: Type.String(),
    /** Address that it came from; behind a proxy that of the proxy. */
    from: Type.Optional(Type.String()),
    /** Such as `sandbox.create`. */
    action: Type.String(),
    /** What was changed, such as the id of a sandbox. */
    subject: Type.Optional(Type.String()),
    /** `done`, or the code of the error. */
    outcome: Type.String(),
    /** What there is to say beside, such as the template. */
    detail: Type.Optional(Type.String()),
    /** Of the sandbox that it was done to, as they were then. */
    labels: Type.Optional(Labels),
  },
  { additionalProperties: false, $id: 'AuditEntry' },
);
export type AuditEntry = Static<typeof AuditEntry>;

export const AuditList = Type.Object(
  { items: Type.Array(AuditEntry), nextCursor: Type.Optional(Type.String()) },
  { additionalProperties: false, $id: 'AuditList' },
);
export type AuditList = Static<typeof AuditList>;
