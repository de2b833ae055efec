import { attach, exitCode } from '../attach.ts';
import { type Call, type Command, UsageError } from '../command.ts';
import { CREATE_OPTIONS, createRequest } from '../create-options.ts';
import { EXIT, signalExitCode } from '../exit-codes.ts';
import { arcFailure } from '../failure.ts';
import { Interruption } from '../interruption.ts';
import { checkTerminal, execOptions, PROGRAM_OPTIONS, terminalRequest } from '../program-options.ts';
import { makeThrowaway } from '../throwaway.ts';

export const command: Command = {
  usage: ['run [OPTION]… TEMPLATE -- PROGRAM [ARG]…', 'run -it TEMPLATE'],
  about: `Runs a program in a sandbox of its own, which is gone afterwards, also after Ctrl-C. Input is passed on, output and errors
come apart, and the exit code is the program's: 128 + n for a signal, ${EXIT.timeout} for --timeout, ${EXIT.commandNotFound} when there is no such
program, ${EXIT.arcFailed} when Arc failed.`,
  options: {
    interactive: { type: 'boolean', short: 'i', about: 'with -t: pass the keyboard on (other input always is)' },
    ...PROGRAM_OPTIONS,
    ...CREATE_OPTIONS,
    'no-stdin': { type: 'boolean', short: 'n', about: 'give the program no input' },
  },
  positionals: { min: 1, max: 1, kinds: ['template', 'program'] },
  program: 'optional',
  async run(call) {
    const { args, env } = call;
    const tty = args.has('tty');
    if (!tty && !args.program) throw missingProgram(this.usage[0]);
    if (tty) checkTerminal(env, args.has('interactive'));
    using interruption = new Interruption(env);
    try {
      return await runIn(call, interruption, tty);
    } catch (error) {
      if (interruption.signal) return signalExitCode(interruption.signal);
      return arcFailure(error, call.err, { json: call.json });
    }
  },
};

async function runIn(call: Call, interruption: Interruption, tty: boolean): Promise<number> {
  const { args, env, out, err } = call;
  const client = await call.connect({ sockets: true });
  // Variables are given to the program, not to the sandbox: what the template runs by itself has no use for them.
  const { env: _, ...request } = createRequest(args.positionals[0] ?? '', args, env);
  const program = tty ? undefined : execOptions(args, env);
  const terminal = tty ? terminalRequest(args, env) : undefined;
  await using sandbox = await makeThrowaway(client, request, { env, err, interruption });
  if (interruption.signal) return signalExitCode(interruption.signal);
  const session = terminal
    ? await sandbox.handle.terminal(terminal)
    : await sandbox.handle.spawn(args.program ?? [], program);
  const input = terminal ? args.has('interactive') : !args.has('no-stdin');
  return await exitCode(await attach(session, { env, out, err, interruption, input }), err);
}

function missingProgram(usage: string | undefined): Error {
  return new UsageError('the program to run is missing', `Usage: arc ${usage}`);
}
