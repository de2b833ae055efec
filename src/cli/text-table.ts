import { clean } from './clean.ts';

/** Two spaces between columns; the last one is as long as it is. Empty cells are shown as `-`. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows.map((row) => row.map((cell) => clean(cell) || '-'))];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => length(row[column] ?? ''))));
  const lines = cells.map((row) =>
    row
      .map((cell, column) =>
        column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - length(cell)),
      )
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

/** `name: value` lines with the values under each other. */
export function textFields(fields: readonly (readonly [string, string | undefined])[]): string {
  const shown = fields.filter((field): field is [string, string] => field[1] !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${`${name}:`.padEnd(width + 2)}${clean(value)}\n`).join('');
}

function length(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
