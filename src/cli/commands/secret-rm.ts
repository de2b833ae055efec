import type { Command } from '../command.ts';
import { forEachId } from '../each.ts';

export const command: Command = {
  usage: ['secret rm NAME…'],
  about: 'Removes secrets. Sandboxes that have them keep them until they are started fresh.',
  options: {},
  positionals: { min: 1, max: Number.POSITIVE_INFINITY, kinds: ['word'] },
  async run(call) {
    const client = await call.connect();
    return forEachId(call, call.args.positionals, async (name) => {
      await client.secrets.remove(name);
      return { json: { name, removed: true }, text: name };
    });
  },
};
