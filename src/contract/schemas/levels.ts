import { type Static, Type } from 'typebox';
import { LevelName } from './template.ts';

const closed = { additionalProperties: false } as const;

/** Beside the program itself, measured when the level was tried on its machine. */
export const LevelCostView = Type.Object({ memoryBytes: Type.Integer(), startMs: Type.Integer() }, closed);

/** What came of the newest run of the adversary (`arc verify`). */
export const VerifiedView = Type.Object(
  { at: Type.String({ format: 'date-time' }), passed: Type.Boolean(), findings: Type.Integer() },
  closed,
);

/** One level of isolation: what it is, and whether and where it is to be had. */
export const LevelView = Type.Object(
  {
    level: LevelName,
    available: Type.Boolean(),
    /** Machines that give it. */
    nodes: Type.Array(Type.String()),
    runtime: Type.Optional(Type.String()),
    protects: Type.String(),
    exposes: Type.String(),
    /** What its runtime says of itself here; of a level that is not to be had: why. */
    note: Type.String(),
    /** What brings it, where it is not to be had. */
    how: Type.Optional(Type.String()),
    cost: Type.Optional(LevelCostView),
    /** What can not be done with its sandboxes, with the reason. */
    lacks: Type.Array(Type.String()),
    /** Absent: no adversary was run at it yet. */
    verified: Type.Optional(VerifiedView),
  },
  { ...closed, $id: 'LevelView' },
);
export type LevelView = Static<typeof LevelView>;
