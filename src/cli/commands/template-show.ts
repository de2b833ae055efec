import type { Command } from '../command.ts';
import { describeTemplate } from '../describe-template.ts';

export const command: Command = {
  usage: ['template show NAME'],
  about: 'Shows a template. With --json its member `template` is the document that makes it again.',
  options: {},
  positionals: { min: 1, max: 1, kinds: ['template'] },
  async run({ args, out, json, connect }) {
    const view = await (await connect()).templates.get(args.positionals[0] ?? '');
    if (json) await out.json(view);
    else await out.write(describeTemplate(view));
    return 0;
  },
};
