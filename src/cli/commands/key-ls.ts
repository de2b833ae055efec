import type { Command } from '../command.ts';
import { textTable } from '../text-table.ts';

export const command: Command = {
  usage: ['key ls'],
  about: 'Lists API keys. Their secrets are not kept.',
  options: { quiet: { type: 'boolean', short: 'q', about: 'ids only' } },
  positionals: { min: 0, max: 0, kinds: [] },
  async run({ args, out, json, connect }) {
    const keys = await (await connect()).keys.list();
    if (json) await out.json(keys);
    else if (args.has('quiet')) await out.write(keys.map(({ id }) => `${id}\n`).join(''));
    else {
      const rows = keys.map((key) => [key.id, key.name, key.owner, key.createdAt, key.scopes.join(', ')]);
      await out.write(textTable(['ID', 'NAME', 'OWNER', 'MADE', 'SCOPES'], rows));
    }
    return 0;
  },
};
