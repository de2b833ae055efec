import type { Command } from '../command.ts';
import { briefly } from '../describe.ts';
import { forEachId } from '../each.ts';

export const command: Command = {
  usage: ['reset ID…'],
  about: 'Begins again from the template: everything written is gone, the id and the address stay.',
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
      const info = await client.sandboxes.reset(id, wait === undefined ? {} : { wait });
      return { json: info, text: briefly(info, call.env.clock.now()) };
    });
  },
};
