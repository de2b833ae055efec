import type { AuditEntry } from '../../contract/schemas/audit.ts';
import { type Command, UsageError } from '../command.ts';

const COLUMNS = ['time', 'owner', 'action', 'subject', 'detail', 'outcome', 'key', 'from'] as const;

export const command: Command = {
  usage: ['export --csv [--owner OWNER]', 'export --json [--owner OWNER]'],
  about:
    'Writes who started, reset, extended and removed which sandbox when, the oldest first, as far back as the audit log goes. The detail is the template.',
  options: {
    csv: { type: 'boolean', about: 'a line for each, with a line of names before them' },
    owner: { type: 'string', value: 'OWNER', about: 'only what this owner did' },
  },
  positionals: { min: 0, max: 0, kinds: [] },
  async run({ args, out, json, connect }) {
    if (json === args.has('csv')) throw new UsageError('export: one of --csv and --json is wanted');
    const owner = args.text('owner');
    const entries: AuditEntry[] = [];
    const query = { action: 'sandbox', ...(owner === undefined ? {} : { owner }) };
    for await (const entry of (await connect()).audit(query)) entries.push(entry);
    entries.reverse();
    if (json) await out.json(entries);
    else await out.write([COLUMNS.join(','), ...entries.map(csvLine)].map((line) => `${line}\n`).join(''));
    return 0;
  },
};

function csvLine(entry: AuditEntry): string {
  return COLUMNS.map((name) => csvField(String(entry[name] ?? ''))).join(',');
}

/** RFC 4180; what a spreadsheet would take for a formula begins with an apostrophe. */
function csvField(text: string): string {
  const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}
