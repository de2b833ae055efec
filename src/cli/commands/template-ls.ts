import { ago } from '../amounts.ts';
import type { Command } from '../command.ts';
import { rootText } from '../describe-template.ts';
import { textTable } from '../text-table.ts';

export const command: Command = {
  usage: ['template ls'],
  about: 'Lists templates.',
  options: { quiet: { type: 'boolean', short: 'q', about: 'names only' } },
  positionals: { min: 0, max: 0, kinds: [] },
  async run({ args, env, out, json, connect }) {
    const templates = await (await connect()).templates.list();
    if (json) await out.json(templates);
    else if (args.has('quiet')) await out.write(templates.map(({ name }) => `${name}\n`).join(''));
    else {
      const rows = templates.map((one) => [
        one.name,
        rootText(one.template),
        one.effective.ports.join(','),
        one.effective.isolation,
        one.effective.memory,
        one.pool ? `${one.pool.ready}/${one.pool.target}` : '',
        one.builtin ? 'built in' : `${ago(one.createdAt, env.clock.now())} ago`,
        one.template.description ?? '',
      ]);
      await out.write(
        textTable(['NAME', 'FROM', 'PORTS', 'ISOLATION', 'MEMORY', 'WARM', 'ADDED', 'DESCRIPTION'], rows),
      );
    }
    return 0;
  },
};
