import { ago } from '../amounts.ts';
import type { Command } from '../command.ts';
import { textTable } from '../text-table.ts';

export const command: Command = {
  usage: ['alerts'],
  about:
    'Lists what an operator should know of now: a full disk, starts that fail, a pool that can not be filled. `arc hook add URL --event alert` sends it somewhere.',
  options: {},
  positionals: { min: 0, max: 0, kinds: [] },
  async run({ env, out, json, connect }) {
    const alerts = await (await connect()).alerts();
    if (json) await out.json(alerts);
    else {
      const rows = alerts.map(({ name, severity, since, summary }) => [
        ...[name, severity, ago(since, env.clock.now()), summary],
      ]);
      await out.write(textTable(['ALERT', 'SEVERITY', 'FOR', 'WHAT'], rows));
    }
    return 0;
  },
};
