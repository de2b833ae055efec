import { until } from '../amounts.ts';
import type { Command } from '../command.ts';
import { textTable } from '../text-table.ts';

export const command: Command = {
  usage: ['hook ls'],
  about: 'Lists hooks, and how their deliveries stand. Counts are of this run of the server.',
  options: { quiet: { type: 'boolean', short: 'q', about: 'ids only' } },
  positionals: { min: 0, max: 0, kinds: [] },
  async run({ args, env, out, json, connect }) {
    const hooks = await (await connect()).hooks.list();
    if (json) await out.json(hooks);
    else if (args.has('quiet')) await out.write(hooks.map(({ id }) => `${id}\n`).join(''));
    else {
      const rows = hooks.map((hook) => {
        const { id, url, events, state, delivered, pending, givenUp, missed } = hook;
        const again = hook.retryAt === undefined ? '' : `, again in ${until(hook.retryAt, env.clock.now())}`;
        const problem = hook.problem === undefined ? '' : `${hook.problem}${again}`;
        return [
          id,
          state,
          String(delivered),
          String(pending),
          String(givenUp + missed),
          events.join(','),
          url,
          problem,
        ];
      });
      await out.write(textTable(['ID', 'STATE', 'SENT', 'WAITING', 'LOST', 'EVENTS', 'URL', 'PROBLEM'], rows));
    }
    return 0;
  },
};
