import type { Command } from '../command.ts';
import { textFields } from '../text-table.ts';

export const command: Command = {
  usage: ['hook add URL [--event NAME]… [--label KEY[=VALUE]]… [--owner OWNER] [--slack]'],
  about:
    'Sends changes to an address by POST: signed, in the order of each sandbox, and again until they are taken, for a day. The secret that signs them is shown once, here.',
  options: {
    event: {
      type: 'string',
      multiple: true,
      value: 'NAME',
      about: 'what is sent: sandbox, sandbox.STATE, template, key, hook or alert; default: sandbox',
      choices: ['sandbox', 'sandbox.warned', 'sandbox.failed', 'sandbox.removed', 'alert', 'template', 'key', 'hook'],
    },
    label: { type: 'string', multiple: true, value: 'KEY[=VALUE]', about: 'only of sandboxes with this label' },
    owner: { type: 'string', value: 'OWNER', about: 'only of sandboxes of this owner' },
    slack: { type: 'boolean', about: "send texts in the shape of Slack's incoming webhooks" },
  },
  positionals: { min: 1, max: 1, kinds: ['word'] },
  async run({ args, out, json, connect }) {
    const events = args.texts('event');
    const labels = args.texts('label');
    const owner = args.text('owner');
    const hook = await (await connect()).hooks.create({
      url: args.positionals[0] ?? '',
      ...(args.has('slack') ? { format: 'slack' as const } : {}),
      ...(events.length > 0 ? { events: [...new Set(events)] } : {}),
      ...(labels.length > 0 ? { labels: [...labels] } : {}),
      ...(owner === undefined ? {} : { owner }),
    });
    if (json) await out.json(hook);
    else {
      const fields = textFields([
        ['id', hook.id],
        ['url', hook.url],
        ['events', hook.events.join(', ')],
        ['secret', hook.secret],
      ]);
      await out.write(fields);
    }
    return 0;
  },
};
