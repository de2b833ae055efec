import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { arch, cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { type Benchmarks, benchmarksPage, merged } from './lib/render.ts';
import type { BenchFile } from './lib/result.ts';

/**
 * Every bench, one after the other on a machine that does nothing else; their results go to docs/reference/benchmarks.json and
 * the page beside it. Those that are not named with `--only` keep their earlier results.
 *
 *     node bench/all.ts [--only create,exec] [--page]
 *
 * `--page`: runs nothing and writes the page from the results that are there.
 */
const BENCHES: Readonly<Record<string, readonly string[]>> = {
  claim: [],
  contest: [],
  create: ['--rounds', '30'],
  sustained: [],
  exec: [],
  wake: [],
  parked: [],
  density: ['4000'],
  levels: [],
  'edge/bench': [],
};
const ROOT = join(import.meta.dirname, '..');
const DOCS = join(ROOT, 'docs/reference');
const RESULTS = join(DOCS, 'benchmarks.json');
/** Below it, figures that no bench writes. */
const SEEN = '## Seen by hand and by tests';

function wanted(): readonly string[] {
  if (process.argv.includes('--page')) return [];
  const at = process.argv.indexOf('--only');
  if (at < 0) return Object.keys(BENCHES);
  const names = (process.argv[at + 1] ?? '').split(',');
  const unknown = names.filter((name) => !Object.hasOwn(BENCHES, name));
  if (unknown.length > 0)
    throw new Error(`there is no ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`);
  return names;
}

/** Undefined where it failed: what it printed says why, and the others go on. */
async function run(name: string, folder: string): Promise<BenchFile | undefined> {
  const json = join(folder, `${name.replace('/', '-')}.json`);
  const argv = [...process.execArgv, join(import.meta.dirname, `${name}.ts`), ...(BENCHES[name] ?? []), '--json', json];
  console.log(`\n== ${name}`);
  const code = await new Promise((resolve) => {
    spawn(process.execPath, argv, { stdio: 'inherit', cwd: ROOT }).on('exit', resolve);
  });
  if (code !== 0) console.error(`${name} ended with ${code}`);
  return await readFile(json, 'utf8').then(
    (text) => JSON.parse(text) as BenchFile,
    () => undefined,
  );
}

function firstLine(program: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return /[0-9]+\.[0-9][^\s,]*/.exec(`${stdout}${stderr}`)?.[0] ?? 'not here';
}

const folder = await mkdtemp(join(tmpdir(), 'arc-bench-all-'));
const before = await readFile(RESULTS, 'utf8').then(
  (text) => JSON.parse(text) as Benchmarks,
  () => undefined,
);
const now: BenchFile[] = [];
const failed: string[] = [];
for (const name of wanted()) {
  const result = await run(name, folder);
  if (result === undefined) failed.push(name);
  else now.push(result);
}
await rm(folder, { recursive: true });
const gib = (totalmem() / 1024 ** 3).toFixed(0);
const here = {
  machine: `${cpus().length} × ${cpus()[0]?.model.trim()}, ${gib} GiB, ${arch()}, Linux ${release()}`,
  versions: {
    Node: process.version.slice(1),
    crun: firstLine('crun', '--version'),
    runsc: firstLine('runsc', '--version'),
    bubblewrap: firstLine('bwrap', '--version'),
    QEMU: firstLine('qemu-system-x86_64', '--version'),
    'Docker Engine': firstLine('dockerd', '--version'),
    nginx: firstLine('nginx', '-v'),
    HAProxy: firstLine('haproxy', '-v'),
    Caddy: firstLine('caddy', 'version'),
  },
};
const { machine, versions } = now.length === 0 && before !== undefined ? before : here;
const all = { machine, versions, results: merged(before?.results ?? [], now, Object.keys(BENCHES)) };
await writeFile(RESULTS, `${JSON.stringify(all, null, 2)}\n`);
const page = join(DOCS, 'benchmarks.md');
const old = await readFile(page, 'utf8').catch(() => '');
const seen = old.includes(SEEN) ? old.slice(old.indexOf(SEEN)) : '';
await writeFile(page, benchmarksPage(all, seen));
if (failed.length > 0) {
  console.error(`failed: ${failed.join(', ')}`);
  process.exitCode = 1;
}
