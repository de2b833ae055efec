import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { launchArc } from '../test/e2e/lib/launch.ts';
import { checkBoxes } from './lib/check-boxes.ts';
import { median, percentile, table } from './lib/figures.ts';
import { firstAnswer } from './lib/first-answer.ts';
import { addPooled, Claimer, untilFull } from './lib/pooled.ts';
import { type Figure, figure, writeResult } from './lib/result.ts';
import { startDocker } from './peers/docker.ts';

/**
 * A claim from a pool of warm `whoami`, against Docker Engine's create and start of the same root, taking turns in one run;
 * then claims by 16 clients as fast as they come; then as many owners at the same moment as asked for.
 *
 *     node bench/claim.ts [--rounds 30] [--pool 400] [--owners 300] [--json FILE]
 */
const ROUNDS = numberOf('--rounds', 30);
const POOL = numberOf('--pool', 400);
const OWNERS = numberOf('--owners', 300);
const CLIENTS = 16;
const WARM_UP = 5;
const ANSWER_TIMEOUT_MS = 30_000;

function numberOf(flag: string, fallback: number): number {
  const at = process.argv.indexOf(flag);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}

await using arc = await launchArc({ octet: 217 });
await addPooled(arc, POOL);
await untilFull(arc, POOL);
const { checked, figures: inTurn } = await turns();
const figures = [...inTurn, await sustained(), await crowd()];
await writeResult('claim', figures, { checked });

async function turns(): Promise<{ readonly checked: string; readonly figures: readonly Figure[] }> {
  await using docker = await startDocker();
  const builtins = join(arc.dataDir, 'builtins');
  const root = (await readdir(builtins)).find((name) => name.startsWith('whoami-')) ?? '';
  const data = await readFile(join(builtins, root, 'whoami'));
  await docker.importImage('whoami', [{ path: 'whoami', mode: 0o755, data }]);
  const claimer = new Claimer(arc);
  const figures = { api: [] as number[], claim: [] as number[], docker: [] as number[] };
  const ids: string[] = [];
  let runtime = '';
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const began = performance.now();
    const sandbox = await claimer.claim();
    const answered = performance.now();
    await firstAnswer(`${arc.edge}/_sb/${sandbox.id}/`, {}, ANSWER_TIMEOUT_MS);
    const served = performance.now();
    if (sandbox.start !== 'claimed') throw new Error(`${sandbox.id} was not claimed, it was started`);
    ids.push(sandbox.id);
    runtime = `${sandbox.runtime} (${sandbox.isolation})`;
    const { id, address } = await docker.run('whoami', ['/whoami']);
    await firstAnswer(`http://${address}:8080/`, {}, ANSWER_TIMEOUT_MS);
    const theirs = performance.now() - served;
    await docker.remove(id);
    if (round < 0) continue;
    figures.api.push(answered - began);
    figures.claim.push(served - began);
    figures.docker.push(theirs);
  }
  claimer.close();
  const checked = await checkBoxes(arc, ids);
  console.log(`checked ${checked}`);
  console.log(`runtime ${runtime} against Docker Engine ${docker.version}, ${ROUNDS} rounds in turn`);
  const row = (name: string, ms: readonly number[]) => [name, median(ms), percentile(ms, 0.9), percentile(ms, 0.99)];
  const rows = [row('claim → answer', figures.api), row('claim → first 200', figures.claim)];
  console.log(table(['', 'p50 ms', 'p90 ms', 'p99 ms'], [...rows, row('Docker → first 200', figures.docker)]));
  console.log(`ratio of the medians to the first 200: ${(median(figures.docker) / median(figures.claim)).toFixed(0)}`);
  await removeAll(ids);
  const peer = { name: `Docker Engine ${docker.version}`, values: figures.docker };
  return {
    checked,
    figures: [
      figure('claim → first 200', figures.claim, { peer, bar: { of: 'ratio', least: 120 } }),
      figure('claim, the answer of the API', figures.api, { bar: { of: 'value', most: 2 } }),
      figure('claim, the answer of the API at p99', percentile(figures.api, 0.99), { bar: { of: 'value', most: 10 } }),
    ],
  };
}

async function sustained(): Promise<Figure> {
  await untilFull(arc, POOL);
  const claimers = Array.from({ length: CLIENTS }, () => new Claimer(arc));
  const all = Math.floor(POOL * 0.9);
  const [ids, ms]: [string[], number[]] = [[], []];
  let left = all;
  let cold = 0;
  const began = performance.now();
  await Promise.all(
    claimers.map(async (claimer) => {
      while (left-- > 0) {
        const asked = performance.now();
        const sandbox = await claimer.claim();
        ms.push(performance.now() - asked);
        ids.push(sandbox.id);
        if (sandbox.start !== 'claimed') cold += 1;
      }
    }),
  );
  const took = performance.now() - began;
  for (const claimer of claimers) claimer.close();
  const rate = ((all / took) * 1_000).toFixed(0);
  const [p50, p99] = [median(ms).toFixed(1), percentile(ms, 0.99).toFixed(1)];
  console.log(
    `${CLIENTS} clients: ${all} claims at ${rate} a second, p50 ${p50} ms, p99 ${p99} ms, ${cold} were started cold`,
  );
  if (new Set(ids).size !== ids.length) throw new Error('one was handed over twice');
  await removeAll(ids);
  const bar = { of: 'value', least: 300 } as const;
  return figure(`claims by ${CLIENTS} clients`, (all / took) * 1_000, { unit: 'a second', bar });
}

async function crowd(): Promise<Figure> {
  await untilFull(arc, POOL);
  const claimers: Claimer[] = [];
  for (let i = 0; i < OWNERS; i++) {
    const owner = `team-${i}`;
    const { secret } = await arc.client.keys.create({ name: owner, owner, scopes: ['sandboxes:write'] });
    claimers.push(new Claimer(arc, secret));
  }
  const began = performance.now();
  const sandboxes = await Promise.all(claimers.map((claimer) => claimer.claim()));
  const answered = performance.now() - began;
  const ids = sandboxes.map(({ id }) => id);
  await Promise.all(ids.map((id) => firstAnswer(`${arc.edge}/_sb/${id}/`, {}, ANSWER_TIMEOUT_MS)));
  const served = performance.now() - began;
  for (const claimer of claimers) claimer.close();
  const owners = new Set(sandboxes.map(({ owner }) => owner)).size;
  const cold = sandboxes.filter(({ start }) => start !== 'claimed').length;
  console.log(
    `${OWNERS} owners at once: ${new Set(ids).size} sandboxes of ${owners} owners, all answered after ` +
      `${answered.toFixed(0)} ms and serving after ${served.toFixed(0)} ms, ${cold} were started cold`,
  );
  await removeAll(ids);
  const bar = { of: 'value', most: 10 } as const;
  return figure(`${OWNERS} owners at once, all serving`, served / 1_000, { unit: 's', bar });
}

async function removeAll(ids: readonly string[]): Promise<void> {
  const rest = [...ids];
  const worker = async () => {
    for (let id = rest.pop(); id !== undefined; id = rest.pop()) await arc.client.sandboxes.remove(id);
  };
  await Promise.all(Array.from({ length: 4 }, worker));
}
