import type { AuditEntry } from '../../contract/schemas/audit.ts';
import { whole } from '../args.ts';
import { clean } from '../clean.ts';
import type { Command } from '../command.ts';

/** Printed when nobody says how many. */
const DEFAULT_COUNT = 50;

export const command: Command = {
  usage: ['audit [--owner OWNER] [--action ACTION] [--subject ID] [--label KEY[=VALUE]]… [--count N]'],
  about: 'Prints who changed what, from where, and what came of it; the newest first.',
  options: {
    owner: { type: 'string', value: 'OWNER', about: 'only what this owner did' },
    action: { type: 'string', value: 'ACTION', about: 'such as sandbox.create, or sandbox for all that begin so' },
    subject: { type: 'string', value: 'ID', about: 'only what was done to this sandbox, template, key or owner' },
    label: {
      type: 'string',
      multiple: true,
      value: 'KEY[=VALUE]',
      about: 'only what was done to sandboxes with this label',
    },
    count: { type: 'string', short: 'n', value: 'N', about: `at most so many; ${DEFAULT_COUNT} otherwise` },
  },
  positionals: { min: 0, max: 0, kinds: [] },
  async run({ args, out, json, connect }) {
    const [owner, action, subject] = ['owner', 'action', 'subject'].map((name) => args.text(name));
    const most = whole(args.text('count'), '--count') ?? DEFAULT_COUNT;
    const query = {
      ...(owner === undefined ? {} : { owner }),
      ...(action === undefined ? {} : { action }),
      ...(subject === undefined ? {} : { subject }),
      ...(args.texts('label').length === 0 ? {} : { labels: args.texts('label') }),
    };
    let count = 0;
    if (most === 0) return 0;
    for await (const entry of (await connect()).audit(query)) {
      if (json) await out.json(entry);
      else await out.line(clean(textOf(entry)));
      count += 1;
      if (count >= most) break;
    }
    return 0;
  },
};

function textOf({ time, owner, key, from, action, subject, outcome, detail, labels }: AuditEntry): string {
  const who = `${owner} (${key}${from === undefined ? '' : `, ${from}`})`;
  return [time, who, action, subject, outcome === 'done' ? undefined : `refused: ${outcome}`, detail, labelText(labels)]
    .filter((part) => part !== undefined)
    .join(' ');
}

const labelText = (labels: AuditEntry['labels']): string | undefined =>
  labels &&
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
