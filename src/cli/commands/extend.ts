import type { Command } from '../command.ts';
import { briefly } from '../describe.ts';

export const command: Command = {
  usage: ['extend ID DURATION'],
  about: 'Lets a sandbox live for this long from now, such as 30m. It never makes its time shorter.',
  options: {},
  positionals: { min: 2, max: 2, kinds: ['sandbox', 'word'] },
  async run({ args, env, out, json, connect }) {
    const client = await connect();
    const [id = '', by = ''] = args.positionals;
    const info = await client.sandboxes.extend(id, by);
    if (json) await out.json(info);
    else await out.line(briefly(info, env.clock.now()));
    return 0;
  },
};
