import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Summary, summarize } from '../../src/kit/percentile.ts';

/** What a figure must reach: at most, or at least, so much. `ratio`: of its ratio to the peer, not of the value. */
export interface Bar {
  readonly of: 'value' | 'p99' | 'ratio';
  readonly most?: number;
  readonly least?: number;
}

/** One measured figure, in the one shape of all benches. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Of many measurements of it, where there were many; `value` is then the median. */
  readonly n?: number;
  readonly p50?: number;
  readonly p90?: number;
  readonly p99?: number;
  /** The same of another program, in the same run. */
  readonly peer?: { readonly name: string; readonly value: number };
  /** How many times better than the peer: above 1 Arc is ahead. */
  readonly ratio?: number;
  readonly bar?: Bar;
  /** Absent without a bar. */
  readonly met?: boolean;
  readonly note?: string;
}

export interface BenchFile {
  readonly bench: string;
  /** What repeats it. */
  readonly command: string;
  /** RFC 3339 */
  readonly at: string;
  /** What was looked at before anything counted, the runtime and its version. */
  readonly checked?: string;
  readonly figures: readonly Figure[];
}

interface Given {
  readonly unit?: string;
  /** Of the peer, the values or one value; `higherIsBetter` turns the ratio round. */
  readonly peer?: { readonly name: string; readonly values: readonly number[] | number };
  readonly higherIsBetter?: boolean;
  readonly bar?: Bar;
  readonly note?: string;
}

/** @param values one or many measurements; default unit ms */
export function figure(name: string, values: readonly number[] | number, given: Given = {}): Figure {
  const { unit = 'ms', peer, higherIsBetter = false, bar, note } = given;
  const many = typeof values === 'number' ? undefined : summarize(values);
  const value = typeof values === 'number' ? values : (many?.p50 ?? Number.NaN);
  const theirs = peer === undefined ? undefined : medianOf(peer.values);
  const ratio = theirs === undefined ? undefined : higherIsBetter ? value / theirs : theirs / value;
  const spread = many && { n: many.n, p50: many.p50, p90: many.p90, p99: many.p99 };
  return {
    ...{ name, value, unit },
    ...spread,
    ...(peer && theirs !== undefined && { peer: { name: peer.name, value: theirs } }),
    ...(ratio !== undefined && { ratio }),
    ...(bar && { bar, met: meets({ value, p99: many?.p99 ?? value, ratio: ratio ?? Number.NaN }[bar.of], bar) }),
    ...(note !== undefined && { note }),
  };
}

const medianOf = (values: readonly number[] | number): number =>
  typeof values === 'number' ? values : (summarize(values) satisfies Summary).p50;

/** What was not measured, NaN, meets nothing. */
function meets(value: number, { most = Number.POSITIVE_INFINITY, least = Number.NEGATIVE_INFINITY }: Bar): boolean {
  return value <= most && value >= least;
}

/** Writes them to the file that `--json FILE` names, if it does. */
export async function writeResult(
  bench: string,
  figures: readonly Figure[],
  { checked, argv = process.argv }: { readonly checked?: string; readonly argv?: readonly string[] } = {},
): Promise<void> {
  const at = argv.indexOf('--json');
  const path = at < 0 ? undefined : argv[at + 1];
  if (path === undefined) return;
  const flags = argv.slice(2).filter((_, index) => index + 2 !== at && index + 2 !== at + 1);
  const command = ['node', `bench/${bench}.ts`, ...flags].join(' ');
  const file: BenchFile = { bench, command, at: new Date().toISOString(), ...(checked && { checked }), figures };
  await writeFile(resolve(path), `${JSON.stringify(file, null, 2)}\n`);
}
