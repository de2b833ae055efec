import { launchArc } from '../test/e2e/lib/launch.ts';
import { checkBoxes } from './lib/check-boxes.ts';
import { table } from './lib/figures.ts';
import { firstAnswer } from './lib/first-answer.ts';
import { numberOf } from './lib/flags.ts';
import { figure, writeResult } from './lib/result.ts';
import { untilTrue } from './lib/wait.ts';

/**
 * A request that wakes a parked `whoami`: what is added to it where its processes were frozen, against a request to a running
 * one; and where it was stopped, against a cold create. The four take turns in one run, each with a sandbox of its own.
 *
 *     node bench/wake.ts [--rounds 30] [--json FILE]
 */
const ROUNDS = numberOf('--rounds', 30);
const ANSWER_TIMEOUT_MS = 30_000;
const PARK_TIMEOUT_MS = 300_000;
/** The shortest that a server takes. */
const QUIET = '2s';

await using arc = await launchArc({ octet: 245 });
const create = (then?: 'frozen' | 'stopped') =>
  arc.client.sandboxes.create({
    template: 'whoami',
    ...(then && { labels: { then }, idle: { hard: QUIET, then } }),
  });
const get = (id: string) => firstAnswer(`${arc.edge}/_sb/${id}/`, {}, ANSWER_TIMEOUT_MS);

async function park(then: 'frozen' | 'stopped'): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) ids.push((await create(then)).id);
  await untilTrue(`all are ${then}`, PARK_TIMEOUT_MS, async () => {
    let count = 0;
    for await (const _ of arc.client.sandboxes.list({ labels: [`then=${then}`], state: then })) count += 1;
    return count >= ROUNDS;
  });
  return ids;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

const running = await create();
await get(running.id);
const checked = await checkBoxes(arc, [running.id]);
const [frozen, stopped] = [await park('frozen'), await park('stopped')];
const ms = { request: [] as number[], frozen: [] as number[], stopped: [] as number[], create: [] as number[] };
for (let round = 0; round < ROUNDS; round += 1) {
  ms.request.push(await timed(() => get(running.id)));
  ms.frozen.push(await timed(() => get(frozen[round] ?? '')));
  ms.stopped.push(await timed(() => get(stopped[round] ?? '')));
  let made = '';
  ms.create.push(
    await timed(async () => {
      made = (await create()).id;
      await get(made);
    }),
  );
  await arc.client.sandboxes.remove(made);
}
const request = figure('a request to a running one', ms.request);
const added = ms.frozen.map((one, round) => one - (ms.request[round] ?? 0));
const figures = [
  figure('wake of a frozen one, added to the request', added, { bar: { of: 'value', most: 10 } }),
  figure('wake of a stopped one → 200', ms.stopped, {
    peer: { name: 'cold create → 200', values: ms.create },
    // At most 1.2 times as long.
    bar: { of: 'ratio', least: Number((1 / 1.2).toFixed(3)) },
  }),
  request,
];
console.log(checked);
console.log(
  table(
    ['', 'p50 ms', 'p90 ms', 'p99 ms'],
    figures.map(({ name, p50 = 0, p90 = 0, p99 = 0 }) => [name, p50, p90, p99]),
  ),
);
console.log(`a stopped one takes ${(1 / (figures[1]?.ratio ?? Number.NaN)).toFixed(2)} times a cold create`);
await writeResult('wake', figures, { checked });
