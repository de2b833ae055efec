import type { Command } from '../command.ts';
import { describe } from '../describe.ts';

export const command: Command = {
  usage: ['show ID'],
  about: 'Shows a sandbox: its state, when and why it will stop, and its history.',
  options: {},
  positionals: { min: 1, max: 1, kinds: ['sandbox'] },
  async run({ args, env, out, json, connect }) {
    const client = await connect();
    const { info } = await client.sandboxes.get(args.positionals[0] ?? '');
    if (json) await out.json(info);
    else await out.write(describe(info, env.clock.now()));
    return 0;
  },
};
