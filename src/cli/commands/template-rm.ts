import type { Command } from '../command.ts';
import { forEachId } from '../each.ts';

export const command: Command = {
  usage: ['template rm NAME…'],
  about: 'Removes templates. Layers that nothing uses any more go with `arc template prune`.',
  options: {},
  positionals: { min: 1, max: Number.POSITIVE_INFINITY, kinds: ['template'] },
  async run(call) {
    const client = await call.connect();
    return forEachId(call, call.args.positionals, async (name) => {
      await client.templates.remove(name);
      return { json: { name, removed: true }, text: name };
    });
  },
};
