import type { Command } from '../command.ts';
import { quotaTable } from '../describe-quota.ts';

export const command: Command = {
  usage: ['quota show [OWNER]'],
  about: 'Shows what an owner may have and uses; without a name, the owner of this key.',
  options: {},
  positionals: { min: 0, max: 1, kinds: ['word'] },
  async run({ args, out, json, connect }) {
    const client = await connect();
    const owner = args.positionals[0] ?? (await client.info()).owner;
    const quota = await client.quotas.get(owner);
    if (json) await out.json(quota);
    else await out.write(quotaTable([quota]));
    return 0;
  },
};
