import type { Command } from '../command.ts';
import { forEachId } from '../each.ts';

export const command: Command = {
  usage: ['quota rm OWNER…'],
  about: 'Takes away what was set for owners: the settings of the server hold for them again.',
  options: {},
  positionals: { min: 1, max: Number.POSITIVE_INFINITY, kinds: ['word'] },
  async run(call) {
    const client = await call.connect();
    return forEachId(call, call.args.positionals, async (owner) => {
      await client.quotas.remove(owner);
      return { json: { owner, removed: true }, text: owner };
    });
  },
};
