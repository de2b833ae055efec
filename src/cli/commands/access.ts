import { whole } from '../args.ts';
import type { Command } from '../command.ts';

export const command: Command = {
  usage: ['access [--port PORT] [--ttl DURATION] ID'],
  about:
    'Makes a token for a sandbox that asks for one, and prints its address with the token in it. Whoever has it gets through.',
  options: {
    port: { type: 'string', value: 'PORT', about: 'only to this port' },
    ttl: { type: 'string', value: 'DURATION', about: 'how long it is good for, such as 2h; 24h otherwise' },
  },
  positionals: { min: 1, max: 1, kinds: ['sandbox'] },
  async run({ args, out, json, connect }) {
    const port = whole(args.text('port'), '--port');
    const ttl = args.text('ttl');
    const client = await connect();
    const made = await client.sandboxes.handle(args.positionals[0] ?? '').accessToken({
      ...(port === undefined ? {} : { port }),
      ...(ttl === undefined ? {} : { ttl }),
    });
    if (json) await out.json(made);
    else await out.line(made.url);
    return 0;
  },
};
