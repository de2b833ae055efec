import type { Sandbox } from '../../contract/schemas/sandbox.ts';
import type { State } from '../../contract/states.ts';
import { ago, labelsText, until } from '../amounts.ts';
import type { Command } from '../command.ts';
import { textTable } from '../text-table.ts';

export const command: Command = {
  usage: ['ls [--label KEY=VALUE]… [--state STATE] [--template NAME]'],
  about: 'Lists sandboxes: yours, or everyone’s with an admin key.',
  options: {
    label: {
      type: 'string',
      short: 'l',
      multiple: true,
      value: 'KEY=VALUE',
      about: 'only with this label; KEY alone for any value',
    },
    state: { type: 'string', value: 'STATE', about: 'only in this state' },
    template: { type: 'string', value: 'NAME', about: 'only of this template' },
    all: { type: 'boolean', short: 'a', about: 'removed ones too, as long as they are remembered' },
    quiet: { type: 'boolean', short: 'q', about: 'ids only' },
  },
  positionals: { min: 0, max: 0, kinds: [] },
  async run({ args, env, out, json, connect }) {
    const client = await connect();
    const state = args.text('state') as State | undefined;
    const template = args.text('template');
    const hidesGone = state === undefined && !args.has('all');
    const found: Sandbox[] = [];
    const filter = {
      labels: args.texts('label'),
      ...(state === undefined ? {} : { state }),
      ...(template === undefined ? {} : { template }),
    };
    for await (const { info } of client.sandboxes.list(filter)) {
      if (!hidesGone || info.state !== 'removed') found.push(info);
    }
    if (json) await out.json(found);
    else if (args.has('quiet')) await out.write(found.map(({ id }) => `${id}\n`).join(''));
    else await out.write(table(found, env.clock.now()));
    return 0;
  },
};

/** What becomes of it, in one word for a narrow column. */
const THEN = { frozen: 'freeze', stopped: 'stop', removed: 'remove' } as const;

function table(sandboxes: readonly Sandbox[], now: number): string {
  const head = ['ID', 'STATE', 'TEMPLATE', 'AGE', 'STOPS IN', 'URL', 'LABELS'];
  const rows = sandboxes.map((one) => [
    one.id,
    one.queuePosition === undefined ? one.state : `${one.state} #${one.queuePosition}`,
    one.template,
    ago(one.createdAt, now),
    one.stops === undefined ? until(one.expiresAt, now) : `${until(one.stops.at, now)} (${THEN[one.stops.then]})`,
    one.url ?? '',
    labelsText(one.labels),
  ]);
  return textTable(head, rows);
}
