import { roughSize } from '../amounts.ts';
import type { Command } from '../command.ts';

export const command: Command = {
  usage: ['template prune'],
  about: 'Removes the layers that no template and no sandbox uses.',
  options: {},
  positionals: { min: 0, max: 0, kinds: [] },
  async run({ out, json, connect }) {
    const result = await (await connect()).templates.prune();
    if (json) await out.json(result);
    else await out.line(`${result.layers} layers removed, ${roughSize(result.bytes)} freed`);
    return 0;
  },
};
