import type { Command } from '../command.ts';
import { forEachId } from '../each.ts';

export const command: Command = {
  usage: ['hook rm ID…'],
  about: 'Removes hooks: from now on nothing is sent there.',
  options: {},
  positionals: { min: 1, max: Number.POSITIVE_INFINITY, kinds: ['hook'] },
  async run(call) {
    const client = await call.connect();
    return forEachId(call, call.args.positionals, async (id) => {
      await client.hooks.remove(id);
      return { json: { id, removed: true }, text: id };
    });
  },
};
