import type { TerminalRequest } from '../contract/stream.ts';
import type { ExecOptions } from '../sdk/sandbox.ts';
import { type Args, type OptionSpecs, UsageError } from './command.ts';
import { environmentOf } from './create-options.ts';
import type { CliEnv } from './env.ts';

/** What `run` and `exec` can say about the program. */
export const PROGRAM_OPTIONS: OptionSpecs = {
  tty: { type: 'boolean', short: 't', about: 'give the program a terminal' },
  user: { type: 'string', short: 'u', value: 'USER', about: 'as this user: uid, uid:gid or a name' },
  cwd: { type: 'string', short: 'w', value: 'DIR', about: 'in this folder' },
  timeout: { type: 'string', value: 'DURATION', about: 'stop it after this long; the exit code is then 124' },
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function execOptions(args: Args, env: CliEnv): ExecOptions {
  const options: Mutable<ExecOptions> = {};
  const variables = environmentOf(args, env);
  if (Object.keys(variables).length > 0) options.env = variables;
  for (const name of ['user', 'cwd', 'timeout'] as const) {
    const value = args.text(name);
    if (value !== undefined) options[name] = value;
  }
  return options;
}

export function terminalRequest(args: Args, env: CliEnv): TerminalRequest {
  const { timeout, env: variables, ...rest } = execOptions(args, env);
  if (timeout !== undefined) throw new UsageError('--timeout is for programs without a terminal');
  const term = env.environment.TERM;
  return {
    ...rest,
    ...(args.program ? { command: args.program } : {}),
    env: { ...(term ? { TERM: term } : {}), ...variables },
    cols: env.stdout.columns ?? 80,
    rows: env.stdout.rows ?? 24,
  };
}

export function checkTerminal(env: CliEnv, wantsInput: boolean): void {
  if (wantsInput && env.stdin.isTTY !== true) throw new UsageError('the input is not a terminal', 'Leave out -t.');
}
