import type { Command } from '../command.ts';
import { briefly } from '../describe.ts';
import { forEachId } from '../each.ts';

export const command: Command = {
  usage: ['restart ID…'],
  about: 'Ends the processes of sandboxes and starts them again. Their files stay.',
  options: {
    wait: {
      type: 'string',
      value: 'DURATION',
      about: 'wait at most this long until it is ready (30s); 0 returns at once',
    },
  },
  positionals: { min: 1, max: Number.POSITIVE_INFINITY, kinds: ['sandbox'] },
  async run(call) {
    const client = await call.connect();
    const wait = call.args.text('wait');
    return forEachId(call, call.args.positionals, async (id) => {
      const info = await client.sandboxes.restart(id, wait === undefined ? {} : { wait });
      return { json: info, text: briefly(info, call.env.clock.now()) };
    });
  },
};
