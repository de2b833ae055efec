import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { launchArc } from '../test/e2e/lib/launch.ts';
import { checkBoxes } from './lib/check-boxes.ts';
import { median, percentile, table } from './lib/figures.ts';
import { firstAnswer } from './lib/first-answer.ts';
import { numberOf } from './lib/flags.ts';
import { figure, writeResult } from './lib/result.ts';
import { startDocker } from './peers/docker.ts';

/**
 * create → first 200 for `whoami`, Arc in its full default box against Docker Engine with the same root, taking turns in
 * one run; then as many live at once as asked for, all answering.
 *
 *     node bench/create.ts [--rounds 30] [--live 300] [--json FILE]
 */
const ROUNDS = numberOf('--rounds', 30);
const LIVE = numberOf('--live', 300);
const WARM_UP = 3;
const ANSWER_TIMEOUT_MS = 30_000;

await using arc = await launchArc({ octet: 211 });
await using docker = await startDocker();
// The first create of a template builds its root, and with it the binary that Docker gets.
await arcOnce();
const builtins = join(arc.dataDir, 'builtins');
const root = (await readdir(builtins)).find((name) => name.startsWith('whoami-')) ?? '';
const binary = await readFile(join(builtins, root, 'whoami'));
await docker.importImage('whoami', [{ path: 'whoami', mode: 0o755, data: binary }]);

async function arcOnce(): Promise<number> {
  const began = performance.now();
  const sandbox = await arc.client.sandboxes.create({ template: 'whoami' });
  await firstAnswer(`${arc.edge}/_sb/${sandbox.id}/`, {}, ANSWER_TIMEOUT_MS);
  const took = performance.now() - began;
  await arc.client.sandboxes.remove(sandbox.id);
  return took;
}

async function dockerOnce(): Promise<number> {
  const began = performance.now();
  const { id, address } = await docker.run('whoami', ['/whoami']);
  await firstAnswer(`http://${address}:8080/`, {}, ANSWER_TIMEOUT_MS);
  const took = performance.now() - began;
  await docker.remove(id);
  return took;
}

const arcMs: number[] = [];
const dockerMs: number[] = [];
for (let round = -WARM_UP; round < ROUNDS; round++) {
  const [ours, theirs] = [await arcOnce(), await dockerOnce()];
  if (round < 0) continue;
  arcMs.push(ours);
  dockerMs.push(theirs);
}

const probe = await arc.client.sandboxes.create({ template: 'whoami' });
console.log(
  `runtime ${probe.info.runtime} (${probe.info.isolation}) against Docker Engine ${docker.version}, ${ROUNDS} rounds in turn`,
);
console.log(
  table(
    ['create → first 200', 'p50 ms', 'p90 ms', 'min ms', 'max ms'],
    [
      ['Arc', median(arcMs), percentile(arcMs, 0.9), Math.min(...arcMs), Math.max(...arcMs)],
      ['Docker Engine', median(dockerMs), percentile(dockerMs, 0.9), Math.min(...dockerMs), Math.max(...dockerMs)],
    ],
  ),
);
console.log(`ratio of the medians: ${(median(dockerMs) / median(arcMs)).toFixed(1)} times faster`);

const { perSecond, checked } = await manyLive();
const figures = [
  figure('cold create → first 200', arcMs, {
    peer: { name: `Docker Engine ${docker.version}`, values: dockerMs },
    bar: { of: 'ratio', least: 8 },
  }),
  figure(`${LIVE} live at once, eight creates at a time`, perSecond, { unit: 'creates a second' }),
];
await writeResult('create', figures, { checked });

async function manyLive(): Promise<{ readonly perSecond: number; readonly checked: string }> {
  const began = performance.now();
  const ids: string[] = [];
  const work = Array.from({ length: LIVE }, (_, index) => index);
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (work.pop() !== undefined) ids.push((await arc.client.sandboxes.create({ template: 'whoami' })).id);
    }),
  );
  const created = performance.now() - began;
  await Promise.all(ids.map((id) => firstAnswer(`${arc.edge}/_sb/${id}/`, {}, ANSWER_TIMEOUT_MS)));
  const checked = await checkBoxes(arc, ids);
  console.log(checked);
  const perSecond = (LIVE / created) * 1000;
  console.log(`${ids.length} live at once, all answering; created at ${perSecond.toFixed(1)} a second`);
  return { perSecond, checked };
}
