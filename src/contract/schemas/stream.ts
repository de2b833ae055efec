import { Type } from 'typebox';
import { Command, Env } from './template.ts';

/** What a client sends as text on the WebSockets of `contract/stream.ts`, as schemas to check it by. */

const closed = { additionalProperties: false } as const;
const Columns = Type.Integer({ minimum: 1, maximum: 2_000 });
const SignalName = Type.String({ pattern: '^SIG[A-Z0-9+]{1,10}$' });

export const TerminalRequest = Type.Object(
  {
    command: Type.Optional(Command),
    env: Type.Optional(Env),
    cwd: Type.Optional(Type.String({ pattern: '^/', maxLength: 4096 })),
    user: Type.Optional(Type.String({ maxLength: 64 })),
    cols: Columns,
    rows: Columns,
  },
  closed,
);

export const JoinRequest = Type.Object({ join: Type.String({ pattern: '^ex-[a-z2-7]{4,37}$' }) }, closed);

export const ClientMessage = Type.Union([
  Type.Object({ type: Type.Literal('signal'), signal: SignalName }, closed),
  Type.Object({ type: Type.Literal('stdin-close') }, closed),
  Type.Object({ type: Type.Literal('resize'), cols: Columns, rows: Columns }, closed),
]);
