import type { AlertReport } from '../../contract/schemas/hook.ts';
import { ago } from '../amounts.ts';
import type { Command } from '../command.ts';
import { textTable } from '../text-table.ts';

export const command: Command = {
  usage: ['alerts [--over|--rules]'],
  about:
    'Lists what an operator should know of now: a full disk, starts that fail, a pool that can not be filled. `arc hook add URL --event alert` sends it somewhere.',
  options: {
    over: { type: 'boolean', about: 'the last ones that are over' },
    rules: { type: 'boolean', about: 'when each is told, with the limits of this server' },
  },
  positionals: { min: 0, max: 0, kinds: [] },
  async run({ args, env, out, json, connect }) {
    const report = await (await connect()).alertReport();
    const now = env.clock.now();
    if (args.has('rules')) {
      if (json) await out.json(report.rules);
      else
        await out.write(
          textTable(
            ['ALERT', 'TOLD WHEN'],
            report.rules.map(({ name, when }) => [name, when]),
          ),
        );
    } else if (args.has('over')) {
      if (json) await out.json(report.over);
      else await out.write(overTable(report.over, now));
    } else if (json) await out.json(report.items);
    else {
      const rows = report.items.map(({ name, severity, since, summary }) => [name, severity, ago(since, now), summary]);
      await out.write(textTable(['ALERT', 'SEVERITY', 'FOR', 'WHAT'], rows));
    }
    return 0;
  },
};

function overTable(over: AlertReport['over'], now: number): string {
  const rows = over.map(({ name, severity, since, endedAt, summary }) => [
    ...[name, severity, ago(since, now), ago(endedAt, now), summary],
  ]);
  return textTable(['ALERT', 'SEVERITY', 'BEGAN', 'ENDED', 'WHAT'], rows);
}
