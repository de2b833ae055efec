import { type Static, Type } from 'typebox';
import { Command, DurationText, Env } from './template.ts';

const closed = { additionalProperties: false } as const;

/** POST /v1/sandboxes/{id}/exec, and the first text message on its WebSocket. */
export const ExecRequest = Type.Object(
  {
    command: Command,
    env: Type.Optional(Env),
    cwd: Type.Optional(Type.String({ pattern: '^/', maxLength: 4096 })),
    user: Type.Optional(Type.String({ maxLength: 64 })),
    timeout: Type.Optional(DurationText),
    /** Whole input as base64, for the plain POST; a WebSocket sends it as frames. */
    stdin: Type.Optional(Type.String({ maxLength: 8_388_608, contentEncoding: 'base64' })),
  },
  { ...closed, $id: 'ExecRequest' },
);
export type ExecRequest = Static<typeof ExecRequest>;

/** Answer of the plain POST. Output beyond 1 MiB a stream is cut, and `truncated` says so. */
export const ExecResult = Type.Object(
  {
    id: Type.String(),
    code: Type.Union([Type.Integer(), Type.Null()]),
    signal: Type.Union([Type.String(), Type.Null()]),
    timedOut: Type.Boolean(),
    /** UTF-8 text, or base64 where `encoding` says so. */
    stdout: Type.String(),
    stderr: Type.String(),
    encoding: Type.Union([Type.Literal('utf8'), Type.Literal('base64')]),
    truncated: Type.Boolean(),
  },
  { ...closed, $id: 'ExecResult' },
);
export type ExecResult = Static<typeof ExecResult>;

/** One line of `/stats`. Counters grow from the start of this incarnation. */
export const Stats = Type.Object(
  {
    id: Type.String(),
    at: Type.String({ format: 'date-time' }),
    cpuMs: Type.Number(),
    memoryBytes: Type.Integer(),
    memoryLimitBytes: Type.Integer(),
    pids: Type.Integer(),
    diskBytes: Type.Optional(Type.Integer()),
    diskLimitBytes: Type.Integer(),
    rxBytes: Type.Integer(),
    txBytes: Type.Integer(),
    logBytes: Type.Integer(),
    logDropped: Type.Integer(),
  },
  { ...closed, $id: 'Stats' },
);
export type Stats = Static<typeof Stats>;

/** One entry of the log journal. `seq` counts from 1 over the whole life of the sandbox, restarts included. */
export const LogEntry = Type.Object(
  {
    seq: Type.Integer(),
    time: Type.String({ format: 'date-time' }),
    /** `arc`: what Arc itself has to say, such as how much was dropped. */
    stream: Type.Union([Type.Literal('stdout'), Type.Literal('stderr'), Type.Literal('arc')]),
    /** UTF-8 text where the bytes are that, else base64, said by `encoding`. A chunk, not a line. */
    data: Type.String(),
    encoding: Type.Union([Type.Literal('utf8'), Type.Literal('base64')]),
    /** Set on entries of the stream `arc`: how many bytes are missing before the next entry. */
    droppedBytes: Type.Optional(Type.Integer()),
  },
  { ...closed, $id: 'LogEntry' },
);
export type LogEntry = Static<typeof LogEntry>;

/** One entry of a folder listing. */
export const FileEntry = Type.Object(
  {
    name: Type.String(),
    type: Type.Union([Type.Literal('file'), Type.Literal('dir'), Type.Literal('symlink'), Type.Literal('other')]),
    size: Type.Integer(),
    /** Permission bits, such as 420 for 0644. */
    mode: Type.Integer(),
    uid: Type.Integer(),
    gid: Type.Integer(),
    modifiedAt: Type.String({ format: 'date-time' }),
    target: Type.Optional(Type.String()),
  },
  { ...closed, $id: 'FileEntry' },
);
export type FileEntry = Static<typeof FileEntry>;

/** A process as `arc ps` shows it. */
export const ProcessEntry = Type.Object(
  {
    pid: Type.Integer(),
    ppid: Type.Integer(),
    uid: Type.Integer(),
    state: Type.String(),
    rssBytes: Type.Integer(),
    command: Type.String(),
  },
  { ...closed, $id: 'ProcessEntry' },
);
export type ProcessEntry = Static<typeof ProcessEntry>;
