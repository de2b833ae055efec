import type { KeyRequest } from '../../contract/schemas/admin.ts';
import type { Command } from '../command.ts';
import { textFields } from '../text-table.ts';

const SCOPES = ['admin', 'sandboxes:read', 'sandboxes:write', 'templates:read', 'templates:write'] as const;
const DEFAULT_SCOPES = ['sandboxes:read', 'sandboxes:write', 'templates:read'] as const;

export const command: Command = {
  usage: ['key create NAME [--owner OWNER] [--scope SCOPE]…'],
  about: 'Makes an API key. Its secret is shown once, here, and kept nowhere.',
  options: {
    owner: { type: 'string', value: 'OWNER', about: 'whose sandboxes it sees; the name of the key by default' },
    scope: {
      type: 'string',
      multiple: true,
      value: 'SCOPE',
      about: `default: ${DEFAULT_SCOPES.join(', ')}`,
      choices: SCOPES,
    },
  },
  positionals: { min: 1, max: 1, kinds: ['word'] },
  async run({ args, out, json, connect }) {
    const name = args.positionals[0] ?? '';
    const given = args.texts('scope');
    const scopes = (given.length > 0 ? [...new Set(given)] : [...DEFAULT_SCOPES]) as KeyRequest['scopes'];
    const key = await (await connect()).keys.create({ name, owner: args.text('owner') ?? name, scopes });
    if (json) await out.json(key);
    else {
      const fields = textFields([
        ['id', key.id],
        ['name', key.name],
        ['owner', key.owner],
        ['scopes', key.scopes.join(', ')],
        ['secret', key.secret],
      ]);
      await out.write(fields);
    }
    return 0;
  },
};
