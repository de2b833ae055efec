import type { Command } from '../command.ts';

export const command: Command = {
  usage: ['flag TEMPLATE OWNER…'],
  about: 'Prints what owners are to find in their sandboxes of a template, to check what they hand in.',
  options: {},
  positionals: { min: 2, max: Number.POSITIVE_INFINITY, kinds: ['template', 'word'] },
  async run({ args, out, json, connect }) {
    const client = await connect();
    const [template = '', ...owners] = args.positionals;
    for (const owner of owners) {
      const flag = await client.secrets.flag(template, owner);
      if (json) await out.json({ template, owner, flag });
      else await out.line(owners.length === 1 ? flag : `${owner} ${flag}`);
    }
    return 0;
  },
};
