import type { Command } from '../command.ts';
import { textTable } from '../text-table.ts';

export const command: Command = {
  usage: ['secret ls'],
  about: 'Lists the names of your secrets. Their values can not be read.',
  options: {},
  positionals: { min: 0, max: 0, kinds: [] },
  async run({ out, json, connect }) {
    const secrets = await (await connect()).secrets.list();
    if (json) await out.json(secrets);
    else
      await out.write(
        textTable(
          ['NAME', 'SET'],
          secrets.map(({ name, setAt }) => [name, setAt]),
        ),
      );
    return 0;
  },
};
