import { COMMON_OPTIONS } from './args.ts';
import { type Command, type Entry, isGroup, type OptionSpecs, type Table } from './command.ts';

export function overview(table: Table, long: boolean): string {
  const width = 12;
  const shown = Object.entries(table).filter(([, entry]) => long || entry.common);
  const lines = shown.map(([name, entry]) => `  ${name.padEnd(width)}${entry.summary}`);
  return [
    'Arc: isolated sandboxes on demand, on your own machine.',
    '',
    'Usage: arc COMMAND …',
    '',
    ...lines,
    '',
    long
      ? '`arc COMMAND --help` has its options.'
      : '`arc help` lists all commands; `arc COMMAND --help` has its options.',
    '',
  ].join('\n');
}

export function groupHelp(name: string, entry: Entry): string {
  if (!isGroup(entry)) return '';
  const lines = Object.entries(entry.commands).map(([sub, { summary }]) => `  ${sub.padEnd(12)}${summary}`);
  return [entry.summary, '', `Usage: arc ${name} COMMAND …`, '', ...lines, ''].join('\n');
}

export function commandHelp(command: Command): string {
  const usage = command.usage.map((line, index) => `${index === 0 ? 'Usage:' : '      '} arc ${line}`);
  return [command.about, '', ...usage, '', ...optionLines({ ...command.options, ...COMMON_OPTIONS }), ''].join('\n');
}

function optionLines(specs: OptionSpecs): string[] {
  const rows = Object.entries(specs).map(([name, spec]) => {
    const short = spec.short ? `-${spec.short}, ` : '    ';
    return [`  ${short}--${name}${spec.value ? ` ${spec.value}` : ''}`, spec.about] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows.map(([left, about]) => left.padEnd(width) + about);
}
