import { LINK_SCOPES, type LinkRequest, type LinkScope } from '../../contract/schemas/link.ts';
import type { Client } from '../../sdk/client.ts';
import type { Call, Command } from '../command.ts';
import { UsageError } from '../command.ts';
import { textTable } from '../text-table.ts';

export const command: Command = {
  usage: ['link ID [--may WHAT]… [--for DURATION] [--extend-by DURATION]', 'link ID --list', 'link ID --revoke LINK'],
  about:
    'Makes a link to a sandbox for a person without a key: its app, a terminal, logs, time left. The link is shown once, here.',
  options: {
    may: {
      type: 'string',
      multiple: true,
      value: 'WHAT',
      about: 'what the link allows; everything by default',
      choices: LINK_SCOPES,
    },
    for: { type: 'string', value: 'DURATION', about: 'how long it works: 8h by default, at most 30d' },
    'extend-by': { type: 'string', value: 'DURATION', about: 'how much time one extension gives: 30m by default' },
    list: { type: 'boolean', about: 'show the links that work now' },
    revoke: { type: 'string', value: 'LINK', about: 'end this link' },
  },
  positionals: { min: 1, max: 1, kinds: ['sandbox'] },
  async run(call) {
    const { args, out } = call;
    if (args.has('list') && args.has('revoke')) {
      throw new UsageError('--list and --revoke exclude each other', 'Revoke first, then list.');
    }
    const client = await call.connect();
    const sandbox = client.sandboxes.handle(args.positionals[0] ?? '');
    const revoke = args.text('revoke');
    if (revoke !== undefined) {
      await sandbox.revokeLink(revoke);
      await out.line(revoke);
    } else if (args.has('list')) await list(call, sandbox);
    else await make(call, sandbox);
    return 0;
  },
};

type Handle = ReturnType<Client['sandboxes']['handle']>;

async function list({ out, json }: Call, sandbox: Handle): Promise<void> {
  const links = await sandbox.links();
  if (json) return await out.json(links);
  const rows = links.map(({ id, may, createdAt, expiresAt }) => [id, may.join(', '), createdAt, expiresAt]);
  await out.write(textTable(['LINK', 'ALLOWS', 'MADE', 'WORKS UNTIL'], rows));
}

async function make({ args, out, json }: Call, sandbox: Handle): Promise<void> {
  const may = [...new Set(args.texts('may'))] as LinkScope[];
  const [lasts, extendBy] = [args.text('for'), args.text('extend-by')];
  const request: LinkRequest = {
    ...(may.length > 0 ? { may } : {}),
    ...(lasts === undefined ? {} : { for: lasts }),
    ...(extendBy === undefined ? {} : { extendBy }),
  };
  const link = await sandbox.link(request);
  if (json) await out.json(link);
  else await out.line(link.url ?? link.id);
}
