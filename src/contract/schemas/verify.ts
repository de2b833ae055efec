import { type Static, Type } from 'typebox';
import { LevelName } from './template.ts';

const closed = { additionalProperties: false } as const;

/** What the adversary got that it must not get, and by which way in. */
export const VerifyFinding = Type.Object(
  {
    /** `create`: as the sandbox's own program; `exec`: as a command; `neighbour`: without any network; `outside`: as the host sees it. */
    via: Type.Union([Type.Literal('create'), Type.Literal('exec'), Type.Literal('neighbour'), Type.Literal('outside')]),
    text: Type.String(),
  },
  closed,
);

export const VerifyCheck = Type.Object(
  {
    /** Stable, such as `calls.list`. */
    id: Type.String(),
    title: Type.String(),
    /** `skipped`: of no meaning at this level; the reason says why. */
    outcome: Type.Union([Type.Literal('passed'), Type.Literal('failed'), Type.Literal('skipped')]),
    findings: Type.Array(VerifyFinding),
    reason: Type.Optional(Type.String()),
  },
  closed,
);
export type VerifyCheck = Static<typeof VerifyCheck>;

/** What came of one level. One that failed takes no work. */
export const VerifiedLevel = Type.Object(
  {
    level: LevelName,
    runtime: Type.String(),
    passed: Type.Boolean(),
    tookMs: Type.Integer(),
    checks: Type.Array(VerifyCheck),
  },
  closed,
);
export type VerifiedLevel = Static<typeof VerifiedLevel>;

/** What an adversary could do in a sandbox of every level of one node. */
export const VerifyReport = Type.Object(
  {
    node: Type.String(),
    at: Type.String({ format: 'date-time' }),
    passed: Type.Boolean(),
    levels: Type.Array(VerifiedLevel),
    /** Of levels that are not to be had here at all: why. */
    absent: Type.Array(Type.Object({ level: LevelName, note: Type.String() }, closed)),
  },
  { ...closed, $id: 'VerifyReport' },
);
export type VerifyReport = Static<typeof VerifyReport>;
