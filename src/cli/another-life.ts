import type { Command } from './command.ts';
import { briefly } from './describe.ts';
import { forEachId } from './each.ts';

/** `restart` and `reset`: the same sandboxes begin another life, and are waited for. */
export function anotherLife(name: 'restart' | 'reset', about: string): Command {
  return {
    usage: [`${name} ID…`],
    about,
    options: {
      wait: {
        type: 'string',
        value: 'DURATION',
        about: 'wait at most this long until it is ready (30s); 0 returns at once',
      },
    },
    positionals: { min: 1, max: Number.POSITIVE_INFINITY, kinds: ['sandbox'] },
    async run(call) {
      const { sandboxes } = await call.connect();
      const wait = call.args.text('wait');
      return forEachId(call, call.args.positionals, async (id) => {
        const info = await sandboxes[name](id, wait === undefined ? {} : { wait });
        return { json: info, text: briefly(info, call.env.clock.now()) };
      });
    },
  };
}
