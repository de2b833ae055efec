import { ago } from '../amounts.ts';
import type { Command } from '../command.ts';
import { textTable } from '../text-table.ts';

export const command: Command = {
  usage: ['hook log ID [--failed]'],
  about:
    'Lists the last tries of a hook, the newest first: fifty that were taken at most, and fifty that were not. Of this run of the server.',
  options: { failed: { type: 'boolean', about: 'only those that were not taken' } },
  positionals: { min: 1, max: 1, kinds: ['hook'] },
  async run({ args, env, out, json, connect }) {
    const all = await (await connect()).hooks.deliveries(args.positionals[0] ?? '');
    const tries = args.has('failed') ? all.filter(({ outcome }) => outcome !== 'taken') : all;
    if (json) await out.json(tries);
    else {
      const rows = tries.map(({ time, event, what, subject, outcome, ms, detail }) => [
        ...[ago(time, env.clock.now()), String(event), what, subject, outcome],
        ...[ms === undefined ? '' : `${ms} ms`, detail ?? ''],
      ]);
      await out.write(textTable(['AGO', 'EVENT', 'WHAT', 'SUBJECT', 'OUTCOME', 'TOOK', 'DETAIL'], rows));
    }
    return 0;
  },
};
