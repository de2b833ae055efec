import type { Event } from '../../contract/schemas/sandbox.ts';
import { whole } from '../args.ts';
import { clean } from '../clean.ts';
import type { Command } from '../command.ts';

export const command: Command = {
  usage: ['events [--since ID]'],
  about:
    'Prints every change as it happens, until it is stopped. A lost connection is made again and nothing is missed.',
  options: {
    since: {
      type: 'string',
      value: 'ID',
      about: 'begin after the event with this id; 0: with the oldest that is kept',
    },
  },
  positionals: { min: 0, max: 0, kinds: [] },
  async run({ args, out, json, connect }) {
    const client = await connect();
    const since = whole(args.text('since'), '--since');
    for await (const event of client.events(since === undefined ? {} : { since })) {
      if (json) await out.json(event);
      else await out.line(clean(eventText(event)));
    }
    return 0;
  },
};

function eventText(event: Event): string {
  const change = event.state === undefined ? '' : ` ${event.from ? `${event.from} → ` : ''}${event.state}`;
  const why = event.reason === undefined ? '' : ` (${event.reason})`;
  if (event.alerts !== undefined) {
    const lines = event.alerts.map(({ name, status, summary }) => `${name} ${status}: ${summary}`);
    return `${event.time} #${event.id} alert ${[...lines, ...(event.detail ? [event.detail] : [])].join('; ')}`;
  }
  return `${event.time} #${event.id} ${event.type} ${event.subject}${change}${why}${event.detail ? `: ${event.detail}` : ''}`;
}
