import { parseCommandLine } from './args.ts';
import { type Args, type Call, isGroup, isHost, type Leaf, UsageError } from './command.ts';
import type { CliEnv } from './env.ts';
import { EXIT } from './exit-codes.ts';
import { reportFailure } from './failure.ts';
import { Output } from './output.ts';
import { suggestion } from './suggest.ts';
import { COMMANDS } from './table.ts';

export type { CliEnv } from './env.ts';

/** Runs one command line (without the program's own name) and gives its exit code. Never throws. */
export async function runCli(argv: readonly string[], env: CliEnv): Promise<number> {
  const out = new Output(env.stdout);
  const err = new Output(env.stderr);
  try {
    return await dispatch(argv, env, out, err);
  } catch (error) {
    return reportFailure(error, err, { json: asksForJson(argv) });
  }
}

async function dispatch(argv: readonly string[], env: CliEnv, out: Output, err: Output): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h') {
    const { overview } = await import('./help.ts');
    await out.write(overview(COMMANDS, name !== undefined));
    return EXIT.ok;
  }
  if (name === '--version' || name === '-v') return dispatch(['version', ...rest], env, out, err);
  if (name.startsWith('-'))
    throw new UsageError(`unknown option ${name}`, 'Options go after the command: `arc help` lists them.');
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!entry) throw new UsageError(`unknown command "${name}"`, suggestion(name, Object.keys(COMMANDS)));
  if (isHost(entry)) {
    const host = env[entry.host];
    if (!host) throw new UsageError(`\`arc ${name}\` can not be run from here`);
    return host(rest);
  }
  if (!isGroup(entry)) return runLeaf(entry, rest, env, out, err);
  const [sub, ...subRest] = rest;
  if (sub === undefined || sub === '--help' || sub === '-h') {
    const { groupHelp } = await import('./help.ts');
    await (sub === undefined ? err : out).write(groupHelp(name, entry));
    return sub === undefined ? EXIT.usage : EXIT.ok;
  }
  const leaf = Object.hasOwn(entry.commands, sub) ? entry.commands[sub] : undefined;
  if (!leaf)
    throw new UsageError(`unknown command "${name} ${sub}"`, suggestion(sub, Object.keys(entry.commands), `${name} `));
  return runLeaf(leaf, subRest, env, out, err);
}

async function runLeaf(leaf: Leaf, argv: readonly string[], env: CliEnv, out: Output, err: Output): Promise<number> {
  const { command } = await leaf.load();
  const args = parseCommandLine(argv, command);
  if (args.has('help')) {
    const { commandHelp } = await import('./help.ts');
    await out.write(commandHelp(command));
    return EXIT.ok;
  }
  return command.run(makeCall(args, env, out, err));
}

function makeCall(args: Args, env: CliEnv, out: Output, err: Output): Call {
  return {
    env,
    out,
    err,
    args,
    table: COMMANDS,
    json: args.has('json'),
    connect: async (options = {}) => {
      const { connect } = await import('./connect.ts');
      return connect(env, args.text('data-dir'), options);
    },
  };
}

/** The error may be one of taking the command line apart, so this looks at it as it is. */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json');
}
