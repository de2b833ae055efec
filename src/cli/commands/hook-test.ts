import type { Command } from '../command.ts';
import { EXIT } from '../exit-codes.ts';

export const command: Command = {
  usage: ['hook test ID'],
  about: 'Sends one message to a hook now, once, and says what came of it.',
  options: {},
  positionals: { min: 1, max: 1, kinds: ['hook'] },
  async run({ args, out, json, connect }) {
    const result = await (await connect()).hooks.test(args.positionals[0] ?? '');
    if (json) await out.json(result);
    else await out.line(`${result.ok ? 'it works' : 'it does not work'}: ${result.detail} (${result.ms} ms)`);
    return result.ok ? EXIT.ok : EXIT.failed;
  },
};
