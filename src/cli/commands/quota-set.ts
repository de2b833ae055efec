import type { QuotaRequest } from '../../contract/schemas/quota.ts';
import { whole } from '../args.ts';
import { type Args, type Command, UsageError } from '../command.ts';
import { quotaTable } from '../describe-quota.ts';

const NONE = '; none: no limit';

export const command: Command = {
  usage: ['quota set OWNER [--running N] [--total N] [--memory SIZE] [--per-minute N] [--one-per-template yes|no]'],
  about:
    'Sets what one owner may have, in place of what was set for it before; the rest is as the settings of the server say.',
  options: {
    running: { type: 'string', value: 'N', about: `sandboxes that run at the same time${NONE}` },
    total: { type: 'string', value: 'N', about: `sandboxes, stopped ones included${NONE}` },
    memory: { type: 'string', value: 'SIZE', about: `memory limits of what runs, together${NONE}` },
    'per-minute': { type: 'string', value: 'N', about: `creates in a minute${NONE}` },
    'one-per-template': {
      type: 'string',
      value: 'YES',
      about: 'asking again for a template gives the one that is there',
      choices: ['yes', 'no'],
    },
  },
  positionals: { min: 1, max: 1, kinds: ['word'] },
  async run({ args, out, json, connect }) {
    const request = requestOf(args);
    const quota = await (await connect()).quotas.set(args.positionals[0] ?? '', request);
    if (json) await out.json(quota);
    else await out.write(quotaTable([quota]));
    return 0;
  },
};

function requestOf(args: Args): QuotaRequest {
  const only = args.text('one-per-template');
  if (only !== undefined && only !== 'yes' && only !== 'no') {
    throw new UsageError(`--one-per-template ${only}: yes or no is wanted`);
  }
  const members = {
    running: count(args, 'running'),
    total: count(args, 'total'),
    memory: args.text('memory'),
    createdPerMinute: count(args, 'per-minute'),
    onePerTemplate: only === undefined ? undefined : only === 'yes',
  };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as QuotaRequest;
}

function count(args: Args, name: string): number | 'none' | undefined {
  const text = args.text(name);
  return text === 'none' ? text : whole(text, `--${name}`);
}
