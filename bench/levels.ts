import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Level } from '../src/contract/states.ts';
import { dataDirWithKit } from '../test/e2e/lib/kit.ts';
import { launchArc } from '../test/e2e/lib/launch.ts';
import { table } from './lib/figures.ts';
import { firstAnswer } from './lib/first-answer.ts';
import { numberOf } from './lib/flags.ts';
import { type Figure, figure, writeResult } from './lib/result.ts';
import { untilTrue } from './lib/wait.ts';
import { startDocker } from './peers/docker.ts';
import { startRunsc } from './peers/runsc.ts';

/**
 * Every level that this machine gives, side by side in one run: a program from create to its end, a server from create to its
 * first answer, a claim, a command in one that runs, memory, what a system call costs, requests a second. `docker run --rm`
 * by Docker's API and `runsc run` by itself take turns with it. A virtual machine that boots is measured against one that
 * starts from a saved one.
 *
 *     node bench/levels.ts [--rounds 10] [--json FILE]
 */
const ROUNDS = numberOf('--rounds', 10);
const WARM_UP = 1;
const WAIT_MS = 180_000;
const CALLS = 100_000;
const LOAD_MS = 2_000;
const CLIENTS = 8;
/** Too many arguments for it, so it is over as soon as it runs: the same static binary everywhere. */
const SHORT = ['/whoami', '1', '2'];
const SHORT_CODE = 64;

await using arc = await launchArc({ octet: 141, dataDir: await dataDirWithKit() });
await using docker = await startDocker('10.142.0.1/16');
const { client } = arc;
const levels = (await client.levels()).filter(({ available, level }) => available && level !== 'wasm');
const { template } = await client.templates.get('whoami');
const python = (await client.templates.get('python')).template;
await client.templates.add({ ...template, name: 'server', isolation: 'jail' });
await client.templates.add({ ...template, name: 'one-shot', isolation: 'jail', ready: 'none', command: SHORT });
await client.templates.add({ ...python, name: 'calls', isolation: 'jail' });

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** From the create until it is known how the program ended, then removed, as `docker run --rm` does. */
async function once(level: Level): Promise<{ readonly ended: number; readonly gone: number }> {
  const began = performance.now();
  const sandbox = await client.sandboxes.create({ template: 'one-shot', isolation: level });
  while ((await sandbox.refresh()).exit === undefined);
  const ended = performance.now() - began;
  if (sandbox.info.exit?.code !== SHORT_CODE) throw new Error(`${level}: ${JSON.stringify(sandbox.info.exit)}`);
  await sandbox.remove();
  return { ended, gone: performance.now() - began };
}

/** From the create until the first answer through the edge. */
const firstAnswerOf = async (name: string, isolation: Level): Promise<number> => {
  let id = '';
  const took = await timed(async () => {
    ({ id } = await client.sandboxes.create({ template: name, isolation }));
    await firstAnswer(`${arc.edge}/_sb/${id}/`, {}, WAIT_MS);
  });
  await client.sandboxes.remove(id);
  return took;
};

async function times(count: number, work: () => Promise<number>): Promise<number[]> {
  const all: number[] = [];
  for (let round = -WARM_UP; round < count; round += 1) {
    const ms = await work();
    if (round >= 0) all.push(ms);
  }
  return all;
}

async function claims(level: Level): Promise<number[]> {
  const name = `pool-${level}`;
  await client.templates.add({ ...template, name, isolation: level, pool: { min: 1, max: 1 } });
  const all = await times(ROUNDS, async () => {
    const full = async () => ((await client.templates.get(name)).pool?.ready ?? 0) >= 1;
    await untilTrue(`a warm ${level}`, WAIT_MS, full);
    return await firstAnswerOf(name, level);
  });
  await client.templates.remove(name);
  return all;
}

async function load(url: string): Promise<number> {
  let done = 0;
  const until = performance.now() + LOAD_MS;
  const one = async () => {
    while (performance.now() < until) {
      await (await fetch(url)).arrayBuffer();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, one));
  return (done / LOAD_MS) * 1000;
}

async function measure(level: Level): Promise<readonly Figure[]> {
  const first = await times(ROUNDS, () => firstAnswerOf('server', level));
  const claimed = await claims(level);
  await using server = await client.sandboxes.create({ template: 'server', isolation: level });
  await firstAnswer(`${arc.edge}/_sb/${server.id}/`, {}, WAIT_MS);
  const { memoryBytes } = await server.stats();
  const perSecond = await load(`${arc.edge}/_sb/${server.id}/`);
  await using calls = await client.sandboxes.create({ template: 'calls', isolation: level });
  const exec = await times(ROUNDS, () => timed(() => calls.exec(['/bin/true'])));
  const count = level === 'microvm' ? CALLS / 10 : CALLS;
  const program = `import os,time\nb=time.perf_counter_ns()\nfor _ in range(${count}): os.getppid()\nprint(time.perf_counter_ns()-b)`;
  const { stdout } = await calls.exec(['python3', '-c', program]);
  return [
    figure(`${level}: cold create → first 200`, first),
    figure(`${level}: claim → first 200`, claimed),
    figure(`${level}: exec of /bin/true`, exec),
    figure(`${level}: memory of one that serves`, memoryBytes / 1024 ** 2, { unit: 'MiB' }),
    figure(`${level}: requests, 8 clients`, perSecond, { unit: 'a second' }),
    figure(`${level}: a system call (getppid from Python)`, Number(stdout) / count / 1000, { unit: 'µs' }),
  ];
}

/** A template's first machine boots while nothing is saved; what was saved meanwhile is thrown away for the next round. */
async function machines(): Promise<readonly Figure[]> {
  const saved = join(arc.dataDir, 'kit/saved');
  const names = async () => (await readdir(saved).catch(() => [])).filter((name) => !name.startsWith('making'));
  const settled = async () => (await names()).length > 0 && !(await readdir(saved)).some((n) => n.startsWith('making'));
  const [booted, loaded]: [number[], number[]] = [[], []];
  for (let round = 0; round < Math.min(ROUNDS, 5); round += 1) {
    for (const name of await names()) await rm(join(saved, name), { recursive: true });
    booted.push(await firstAnswerOf('server', 'microvm'));
    await untilTrue('a machine is saved', WAIT_MS, settled);
    loaded.push(await firstAnswerOf('server', 'microvm'));
  }
  const peer = { name: 'its own cold boot', values: booted };
  return [figure('microvm: start from a saved machine → first 200', loaded, { peer, bar: { of: 'ratio', least: 4 } })];
}

await client.sandboxes.create({ template: 'server', isolation: 'container' }).then((one) => one.remove());
const builtins = join(arc.dataDir, 'builtins');
const root = (await readdir(builtins)).find((name) => name.startsWith('whoami-')) ?? '';
const binary = await readFile(join(builtins, root, 'whoami'));
await docker.importImage('whoami', [{ path: 'whoami', mode: 0o755, data: binary }]);
await using runsc = await startRunsc(binary, SHORT, SHORT_CODE);

const shots = new Map<Level, { ended: number; gone: number }[]>(levels.map(({ level }) => [level, []]));
const [dockerMs, runscMs]: [number[], number[]] = [[], []];
for (let round = -WARM_UP; round < ROUNDS; round += 1) {
  const ours = new Map<Level, { ended: number; gone: number }>();
  for (const { level } of levels) ours.set(level, await once(level));
  const [theirs, alone] = [await docker.runToEnd('whoami', SHORT), await runsc.run()];
  if (round < 0) continue;
  dockerMs.push(theirs);
  runscMs.push(alone);
  for (const [level, took] of ours) shots.get(level)?.push(took);
}
const of = (level: Level, what: 'ended' | 'gone') => (shots.get(level) ?? []).map((one) => one[what]);
const figures: Figure[] = levels.map(({ level }) =>
  figure(`${level}: one-shot, created, ended and removed`, of(level, 'gone'), {
    peer: { name: 'docker run --rm', values: dockerMs },
    ...(level === 'jail' && { bar: { of: 'ratio', least: 10 } }),
  }),
);
if (shots.has('gvisor')) {
  const peer = { name: '`runsc run` by itself', values: runscMs };
  // Within 15 % of it, and so at least 1/1.15 as quick.
  const bar = { of: 'ratio', least: 0.87 } as const;
  figures.push(figure('gvisor: cold, until the program has ended', of('gvisor', 'ended'), { peer, bar }));
}
for (const { level } of levels) figures.push(...(await measure(level)));
if (shots.has('microvm')) figures.push(...(await machines()));

const shown = (value: number | undefined) => (value === undefined ? '' : value.toFixed(2));
console.log(
  table(
    ['what', 'value', 'unit', 'p90', 'peer', 'ratio'],
    figures.map(({ name, value, unit, p90, peer, ratio }) => [
      ...[name, shown(value), unit, shown(p90)],
      ...[peer === undefined ? '' : `${peer.name} ${shown(peer.value)}`, shown(ratio)],
    ]),
  ),
);
const checked = levels.map(({ level, runtime, note }) => `${level}: ${runtime}, ${note}`).join('; ');
await writeResult('levels', figures, { checked });
