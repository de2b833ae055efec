import type { Bar, BenchFile, Figure } from './result.ts';

/** All results of one machine: `docs/reference/benchmarks.json`. */
export interface Benchmarks {
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly results: readonly BenchFile[];
}

/** Later results of a bench take the place of its earlier ones; the order is that of `order`. */
export function merged(
  before: readonly BenchFile[],
  now: readonly BenchFile[],
  order: readonly string[],
): readonly BenchFile[] {
  const all = new Map([...before, ...now].map((one) => [one.bench, one]));
  const place = (bench: string) => (order.includes(bench) ? order.indexOf(bench) : order.length);
  return [...all.values()].sort((a, b) => place(a.bench) - place(b.bench));
}

/** `docs/reference/benchmarks.md`. @param seen figures that no bench writes, as they stand in the page */
export function benchmarksPage({ machine, versions, results }: Benchmarks, seen: string): string {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `# Benchmarks

Written by \`node bench/all.ts\` from \`docs/reference/benchmarks.json\`. Machines differ and are noisy: repeat them on yours, and
compare only within one run. Every figure is of the full default box, and Arc and its peer took turns in the same run.
What this machine gives to whoever uses it, \`./arc bench\` tells without any peer.

- machine: ${machine}
- versions: ${named.join(', ')}

${results.length === 0 ? 'No bench has been run on this machine yet.\n' : results.map(section).join('\n')}
${seen.trim()}
`;
}

function section({ bench, command, at, checked, figures }: BenchFile): string {
  const rows = figures.map((one) => `| ${rowOf(one).map(cell).join(' | ')} |\n`).join('');
  const looked = checked === undefined ? '' : `\n${checked}.\n`;
  return `## ${bench}

\`${command}\`, ${at.slice(0, 10)}
${looked}
| what | measured | peer | ratio | bar | met |
| --- | --- | --- | --- | --- | --- |
${rows}`;
}

function rowOf(one: Figure): readonly string[] {
  const { name, value, unit, n, p90, p99, peer, ratio, bar, met, note } = one;
  const spread = n === undefined ? '' : `, p90 ${short(p90)}, p99 ${short(p99)} (${n} times)`;
  return [
    note === undefined ? name : `${name}: ${note}`,
    `${short(value)} ${unit}${spread}`,
    peer === undefined ? '' : `${peer.name}: ${short(peer.value)} ${unit}`,
    ratio === undefined ? '' : `${short(ratio)} times better`,
    bar === undefined ? '' : barText(bar, unit),
    met === undefined ? '' : met ? 'yes' : '**no**',
  ];
}

function barText({ of, most, least }: Bar, unit: string): string {
  const what = of === 'p99' ? 'p99 ' : '';
  const dimension = of === 'ratio' ? 'times' : unit;
  return `${what}${most === undefined ? `≥ ${least}` : `≤ ${most}`} ${dimension}`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** Three digits that count, as nobody's machine repeats a fourth. */
function short(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '?';
  return String(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3)));
}
