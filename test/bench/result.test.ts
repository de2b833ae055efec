import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { benchmarksPage, merged } from '../../bench/lib/render.ts';
import { type BenchFile, figure, writeResult } from '../../bench/lib/result.ts';

test('a ratio says how many times better than the peer, whichever way better is', () => {
  const peer = { name: 'Docker', values: [400, 480, 500] };
  const faster = figure('create', [60, 40, 50], { peer, bar: { of: 'ratio', least: 8 } });
  assert.deepEqual([faster.value, faster.n, faster.ratio, faster.met], [50, 3, 9.6, true]);
  const more = figure('rate', 20, { unit: 'a second', peer: { name: 'Docker', values: 4 }, higherIsBetter: true });
  assert.deepEqual([more.ratio, more.met], [5, undefined]);
});

test('a bar is met by its value, its p99 or its ratio, and never by what was not measured', () => {
  assert.equal(figure('a', [1, 1, 9], { bar: { of: 'value', most: 2 } }).met, true);
  assert.equal(figure('a', [1, 1, 9], { bar: { of: 'p99', most: 2 } }).met, false);
  assert.equal(figure('a', [], { bar: { of: 'value', most: 2 } }).met, false);
  assert.equal(figure('a', 1, { bar: { of: 'ratio', least: 1 } }).met, false);
});

test('results are written where --json says, with the command that repeats them', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'arc-bench-result-'));
  t.after(() => rm(dir, { recursive: true }));
  const path = join(dir, 'one.json');
  await writeResult('exec', [figure('a', 1)], { argv: ['node', 'x', '--rounds', '5', '--json', path, '--live', '9'] });
  const file = JSON.parse(await readFile(path, 'utf8')) as BenchFile;
  assert.equal(file.command, 'node bench/exec.ts --rounds 5 --live 9');
  await writeResult('exec', [], { argv: ['node', 'x'] });
});

const file = (bench: string, value: number): BenchFile => ({
  ...{ bench, command: `node bench/${bench}.ts`, at: '2026-01-02T03:04:05.000Z' },
  figures: [figure('time', value, { peer: { name: 'P', values: 10 }, bar: { of: 'value', most: 5 } })],
});

test('a later run takes the place of the same bench only', () => {
  const all = merged([file('claim', 1), file('create', 1)], [file('claim', 2)], ['create', 'claim']);
  assert.deepEqual(
    all.map(({ bench, figures }) => [bench, figures[0]?.value]),
    [
      ['create', 1],
      ['claim', 2],
    ],
  );
});

test('the page has each figure with its peer, its bar and whether it was met', () => {
  const page = benchmarksPage({ machine: 'm', versions: { node: '24' }, results: [file('create', 7)] }, '## Seen\n');
  assert.match(page, /^\| time \| 7 ms \| P: 10 ms \| 1\.43 times better \| ≤ 5 ms \| \*\*no\*\* \|$/m);
  assert.match(page, /`node bench\/create\.ts`, 2026-01-02/);
  assert.match(page, /## Seen\n$/);
});
