import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startApi } from '../api/harness.ts';
import { ENTRY } from './harness.ts';

const SRC = new URL('../../../src/', import.meta.url);
/** Loading `node:http`, `node:crypto` or any package takes longer than everything else that `arc ls` does. */
const QUICK = ['node:fs', 'node:net', 'node:os', 'node:path', 'node:util'];
const MODULES_MAX = 45;

/** All that is loaded before the first line of `ls` is printed: static imports, and the late ones of this command. */
async function graph(roots: readonly string[]): Promise<{ files: Set<string>; packages: Set<string> }> {
  const files = new Set<string>();
  const packages = new Set<string>();
  const waiting = roots.map((root) => new URL(root, SRC).href);
  for (let url = waiting.pop(); url !== undefined; url = waiting.pop()) {
    if (files.has(url)) continue;
    files.add(url);
    const source = await readFile(new URL(url), 'utf8');
    for (const [, kind = '', from = ''] of source.matchAll(/^(import|export)\b(?! type)[^;]*? from '([^']+)';/gm)) {
      if (kind !== '' && from.startsWith('.')) waiting.push(new URL(from, url).href);
      else packages.add(from);
    }
  }
  return { files, packages };
}

test('arc ls loads a handful of small modules and nothing heavy', async () => {
  const { files, packages } = await graph(['main/arc.ts', 'cli/commands/ls.ts', 'cli/connect.ts']);
  assert.deepEqual(
    [...packages].filter((name) => !QUICK.includes(name)),
    [],
  );
  assert.ok(files.size <= MODULES_MAX, `${files.size} modules`);
});

test('arc ls costs little more than starting node does', async (t) => {
  await using api = await startApi();
  api.sandboxes.put('root');
  // As the launcher does: compiled once, then kept.
  const cache = await mkdtemp(join(tmpdir(), 'arc-compile-'));
  t.after(() => rm(cache, { recursive: true }));
  const env = { ...process.env, ARC_URL: api.base, ARC_API_KEY: api.admin, NODE_COMPILE_CACHE: cache };
  const ls = () => timed([ENTRY, 'ls'], env);
  await ls();
  const runs: { bare: number; full: number }[] = [];
  // In turns, so that whatever else this machine does weighs on both.
  for (let i = 0; i < 20; i += 1) runs.push({ bare: await timed(['-e', '0'], env), full: await ls() });
  const bare = median(runs.map((run) => run.bare));
  const full = median(runs.map((run) => run.full));
  t.diagnostic(`median of 20: node alone ${bare.toFixed(0)} ms, ls ${full.toFixed(0)} ms`);
  assert.ok(full < bare * 3 + 50, `ls took ${full.toFixed(0)} ms, node alone ${bare.toFixed(0)} ms`);
});

async function timed(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const began = performance.now();
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...argv], { env, stdio: 'ignore' });
  const code = await new Promise((resolve) => child.on('exit', resolve));
  assert.equal(code, 0);
  return performance.now() - began;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
