import type { Client } from '../../sdk/client.ts';
import { type Call, type Command, UsageError } from '../command.ts';
import { forEachId } from '../each.ts';

export const command: Command = {
  usage: ['rm ID…', 'rm --all [--label KEY=VALUE]…'],
  about: 'Removes sandboxes and everything of them. Returns when all of it is gone.',
  options: {
    all: { type: 'boolean', short: 'a', about: 'every sandbox that this key may see' },
    label: {
      type: 'string',
      short: 'l',
      multiple: true,
      value: 'KEY=VALUE',
      about: 'with --all: only with this label',
    },
  },
  positionals: { min: 0, max: Number.POSITIVE_INFINITY, kinds: ['sandbox'] },
  async run(call) {
    const { args } = call;
    if (args.has('all') && args.positionals.length > 0) throw new UsageError('either ids or --all, not both');
    if (!args.has('all') && args.has('label'))
      throw new UsageError('--label is for --all', 'Usage: arc rm --all --label KEY=VALUE');
    if (!args.has('all') && args.positionals.length === 0)
      throw new UsageError('no id is given', 'Usage: arc rm ID…, or arc rm --all');
    const client = await call.connect();
    const ids = args.has('all') ? await everyId(call, client) : args.positionals;
    return forEachId(call, ids, async (id) => {
      await client.sandboxes.remove(id);
      return { json: { id, state: 'removed' }, text: id };
    });
  },
};

async function everyId(call: Call, client: Client): Promise<string[]> {
  const ids: string[] = [];
  for await (const { info } of client.sandboxes.list({ labels: call.args.texts('label'), pageSize: 1_000 })) {
    if (info.state !== 'removed') ids.push(info.id);
  }
  return ids;
}
