import type { Command } from '../command.ts';
import { forEachId } from '../each.ts';

export const command: Command = {
  usage: ['key revoke ID…'],
  about: 'Revokes API keys: from now on they open nothing.',
  options: {},
  positionals: { min: 1, max: Number.POSITIVE_INFINITY, kinds: ['key'] },
  async run(call) {
    const client = await call.connect();
    return forEachId(call, call.args.positionals, async (id) => {
      await client.keys.revoke(id);
      return { json: { id, revoked: true }, text: id };
    });
  },
};
