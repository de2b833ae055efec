import type { Session } from '../../sdk/session.ts';
import { attach, exitCode } from '../attach.ts';
import { type Call, type Command, UsageError } from '../command.ts';
import { EXIT, signalExitCode } from '../exit-codes.ts';
import { arcFailure } from '../failure.ts';
import { Interruption } from '../interruption.ts';
import { checkTerminal, execOptions, PROGRAM_OPTIONS, terminalRequest } from '../program-options.ts';

export const command: Command = {
  usage: ['exec [-i] [-t] [OPTION]… ID -- PROGRAM [ARG]…', 'exec -it ID', 'exec [-i] --join EXEC ID'],
  about: `Runs a program in a sandbox and ends with its exit code: 128 + n for a signal, ${EXIT.timeout} for --timeout,
${EXIT.commandNotFound} when there is no such program, ${EXIT.arcFailed} when Arc failed. With -it it is a terminal (without a
program: a shell). It goes on when the terminal is lost, and --join follows it again.`,
  options: {
    interactive: { type: 'boolean', short: 'i', about: 'give it this input' },
    ...PROGRAM_OPTIONS,
    env: {
      type: 'string',
      short: 'e',
      multiple: true,
      value: 'KEY=VALUE',
      about: 'a variable; KEY alone takes its value from here',
    },
    detach: { type: 'boolean', short: 'd', about: 'start it, print its id and leave' },
    join: { type: 'string', value: 'EXEC', about: 'follow a program that was started before' },
  },
  positionals: { min: 1, max: 1, kinds: ['sandbox', 'program'] },
  program: 'optional',
  async run(call) {
    const { args, env } = call;
    const tty = args.has('tty');
    const input = args.has('interactive');
    const joined = args.text('join');
    if (joined === undefined && !tty && !args.program)
      throw new UsageError('the program to run is missing', `Usage: arc ${this.usage[0]}`);
    if (joined !== undefined && args.program)
      throw new UsageError('--join follows a program that is there; it starts none');
    if (tty) checkTerminal(env, input);
    using interruption = new Interruption(env);
    try {
      const client = await call.connect({ sockets: true });
      const session = await begin(call, client.sandboxes.handle(args.positionals[0] ?? ''), joined);
      if (args.has('detach')) {
        session.leave();
        await (call.json ? call.out.json({ id: session.id, sandbox: session.sandbox }) : call.out.line(session.id));
        return EXIT.ok;
      }
      return await exitCode(
        await attach(session, { env, out: call.out, err: call.err, interruption, input }),
        call.err,
      );
    } catch (error) {
      if (interruption.signal) return signalExitCode(interruption.signal);
      return arcFailure(error, call.err, { json: call.json });
    }
  },
};

function begin(
  call: Call,
  sandbox: ReturnType<Awaited<ReturnType<Call['connect']>>['sandboxes']['handle']>,
  joined: string | undefined,
): Promise<Session> {
  const { args, env } = call;
  if (joined !== undefined) return sandbox.join(joined);
  if (args.has('tty')) return sandbox.terminal(terminalRequest(args, env));
  return sandbox.spawn(args.program ?? [], execOptions(args, env));
}
