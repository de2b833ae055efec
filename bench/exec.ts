import { execFile, execFileSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { launchArc } from '../test/e2e/lib/launch.ts';
import { checkBoxes } from './lib/check-boxes.ts';
import { table } from './lib/figures.ts';
import { numberOf } from './lib/flags.ts';
import { figure, writeResult } from './lib/result.ts';
import { startDocker } from './peers/docker.ts';

/**
 * The round trip of a command that is over at once, in one that runs: Arc's API against Docker Engine's and against the
 * command `docker exec`, and the runtime's own floor, `crun exec` alone in the same sandbox, taking turns in one run. The
 * command is the static `whoami` with too many arguments, on both sides: what `true` does, in roots that have no other file.
 *
 *     node bench/exec.ts [--rounds 30] [--json FILE]
 */
const ROUNDS = numberOf('--rounds', 30);
const WARM_UP = 3;
const SHORT = ['/whoami', '1', '2'];
const run = promisify(execFile);

await using arc = await launchArc({ octet: 245 });
await using docker = await startDocker();
const sandbox = await arc.client.sandboxes.create({ template: 'whoami' });
const builtins = join(arc.dataDir, 'builtins');
const root = (await readdir(builtins)).find((name) => name.startsWith('whoami-')) ?? '';
const binary = await readFile(join(builtins, root, 'whoami'));
await docker.importImage('whoami', [{ path: 'whoami', mode: 0o755, data: binary }]);
const { id } = await docker.run('whoami', ['/whoami']);
const checked = await checkBoxes(arc, [sandbox.id]);
const state = join(arc.dataDir, 'sandboxes', sandbox.id, 'runtime');
/** The code of a wrong usage; any other means that the command did not run. */
const wanted = (await sandbox.exec(SHORT)).code;

async function ended(program: string, args: readonly string[]): Promise<void> {
  const code = await run(program, [...args]).then(
    () => 0,
    (error: { code?: unknown }) => error.code,
  );
  if (code !== wanted) throw new Error(`${program} ended with ${code}, and not with ${wanted}`);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

const turns: readonly [string, () => Promise<unknown>][] = [
  ['Arc', () => sandbox.exec(SHORT)],
  ["Docker's API", () => docker.exec(id, SHORT)],
  ['docker exec', () => ended('docker', ['-H', docker.address, 'exec', id, ...SHORT])],
  [
    'crun exec alone',
    () => ended('crun', ['--root', state, '--cgroup-manager=disabled', 'exec', sandbox.id, ...SHORT]),
  ],
];
const took = new Map<string, number[]>(turns.map(([name]) => [name, []]));
for (let round = -WARM_UP; round < ROUNDS; round += 1)
  for (const [name, work] of turns) {
    const ms = await timed(work);
    if (round >= 0) took.get(name)?.push(ms);
  }
const of = (name: string) => took.get(name) ?? [];
const bar = { of: 'ratio', least: 4 } as const;
const figures = [
  figure('exec against the command `docker exec`', of('Arc'), {
    peer: { name: 'docker exec', values: of('docker exec') },
    bar,
  }),
  figure("exec against Docker's API", of('Arc'), { peer: { name: "Docker's API", values: of("Docker's API") } }),
  figure('the floor: crun exec alone', of('crun exec alone')),
];
console.log(checked);
console.log(
  execFileSync('crun', ['--version'], { encoding: 'utf8' }).split('\n')[0],
  `Docker Engine ${docker.version}`,
);
console.log(
  table(
    ['exec', 'p50 ms', 'p90 ms', 'p99 ms'],
    turns.map(([name]) => {
      const { p50 = 0, p90 = 0, p99 = 0 } = figure(name, of(name));
      return [name, p50, p90, p99];
    }),
  ),
);
for (const { name, ratio } of figures)
  if (ratio !== undefined) console.log(`${name}: ${ratio.toFixed(1)} times faster`);
await docker.remove(id);
await writeResult('exec', figures, { checked });
