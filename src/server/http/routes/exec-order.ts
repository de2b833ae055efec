import { ArcError } from '../../../contract/errors.ts';
import type { ExecRequest } from '../../../contract/schemas/exec.ts';
import type { TerminalRequest } from '../../../contract/stream.ts';
import { parseDuration } from '../../../contract/units.ts';
import type { Engine, EngineExecs, ExecOrder } from '../../../engines/engine.ts';
import type { SandboxRecord } from '../../service.ts';

/** What a terminal runs when nothing is asked for: the best shell there is, as a login would find it. */
const DEFAULT_SHELL = ['/bin/sh', '-c', 'command -v bash >/dev/null 2>&1 && exec bash; exec sh'];

export function execsOf(engine: Engine): EngineExecs {
  return capability(engine, engine.execs, 'run commands in');
}

/** Asks for what an engine may have, never for its name. */
export function capability<T>(engine: Engine, held: T | undefined, words: string): T {
  if (held !== undefined) return held;
  throw new ArcError('method_not_allowed', `the engine ${engine.name} can not ${words} sandboxes`);
}

/** With the variables that came too late for the sandbox's own program; what this command brings goes before them. */
export function withLateEnv(order: ExecOrder, { lateEnv }: Pick<SandboxRecord, 'lateEnv'>): ExecOrder {
  return lateEnv ? { ...order, env: { ...lateEnv, ...order.env } } : order;
}

export function orderOf(request: ExecRequest): ExecOrder {
  const { command, env, cwd, user, timeout } = request;
  const timeoutMs = timeout === undefined ? undefined : parseDuration(timeout);
  return {
    command,
    env: env ?? {},
    ...(cwd === undefined ? {} : { cwd }),
    ...(user === undefined ? {} : { user }),
    // A limit of 0 means none, as everywhere.
    ...(timeoutMs === undefined || timeoutMs === 0 ? {} : { timeoutMs }),
  };
}

export function terminalOrder(request: TerminalRequest): ExecOrder {
  const { command, env, cwd, user, cols, rows } = request;
  return {
    command: command ?? DEFAULT_SHELL,
    env: { TERM: 'xterm-256color', ...env },
    tty: { cols, rows },
    ...(cwd === undefined ? {} : { cwd }),
    ...(user === undefined ? {} : { user }),
  };
}
