import type { Command } from '../command.ts';
import { CREATE_OPTIONS, createRequest } from '../create-options.ts';
import { briefly } from '../describe.ts';

export const command: Command = {
  usage: ['create TEMPLATE [OPTION]… [-- PROGRAM ARG…]'],
  about: 'Creates a sandbox and waits until it is ready. A program after `--` replaces the command of the template.',
  options: {
    ...CREATE_OPTIONS,
    wait: {
      type: 'string',
      value: 'DURATION',
      about: 'wait at most this long until it is ready (30s); 0 returns at once',
    },
    'idempotency-key': { type: 'string', value: 'KEY', about: 'the same key gives the same sandbox' },
  },
  positionals: { min: 1, max: 1, kinds: ['template'] },
  program: 'optional',
  async run({ args, env, out, json, connect }) {
    const client = await connect();
    const request = createRequest(args.positionals[0] ?? '', args, env);
    const wait = args.text('wait');
    const idempotencyKey = args.text('idempotency-key');
    const sandbox = await client.sandboxes.create(
      { ...request, ...(args.program ? { command: [...args.program] } : {}) },
      { ...(wait === undefined ? {} : { wait }), ...(idempotencyKey === undefined ? {} : { idempotencyKey }) },
    );
    if (json) await out.json(sandbox.info);
    else await out.line(briefly(sandbox.info, env.clock.now()));
    return 0;
  },
};
