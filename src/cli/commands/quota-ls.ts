import type { Command } from '../command.ts';
import { quotaTable } from '../describe-quota.ts';

export const command: Command = {
  usage: ['quota ls'],
  about: 'Lists the owners for whom a quota was set, and what they use of it.',
  options: {},
  positionals: { min: 0, max: 0, kinds: [] },
  async run({ out, json, connect }) {
    const quotas = await (await connect()).quotas.list();
    if (json) await out.json(quotas);
    else await out.write(quotaTable(quotas));
    return 0;
  },
};
