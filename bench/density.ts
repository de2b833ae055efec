import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type LaunchedArc, launchArc } from '../test/e2e/lib/launch.ts';
import { checkBoxes } from './lib/check-boxes.ts';
import { median, percentile, table } from './lib/figures.ts';
import { firstAnswer } from './lib/first-answer.ts';
import { numberOf } from './lib/flags.ts';
import { figure, writeResult } from './lib/result.ts';

/**
 * How many `whoami` live on this machine: memory that they cost in all (kernel, Arc and themselves, as what is lost of
 * MemAvailable), every one answering through the edge; then how soon Arc is back with all of them after it was killed.
 *
 *     node bench/density.ts [COUNT] [--json FILE]
 */
const COUNT = Number(process.argv[2] ?? 4000) || 4000;
const AT_ONCE = numberOf('--at-once', 4);
const ANSWERS_AT_ONCE = 16;
const ANSWER_TIMEOUT_MS = 30_000;
const SETTLE_MS = 3_000;
const WARNING_EVERY = 500;
/** Around the requests to the API that show whether its event loop is held up. */
const LOOKS = 200;

const availableMiB = () => Number(/MemAvailable:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) / 1024;

async function each<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function createAll(arc: LaunchedArc): Promise<readonly string[]> {
  const ids: string[] = [];
  await each(Array.from({ length: COUNT }), AT_ONCE, async () => {
    ids.push((await arc.client.sandboxes.create({ template: 'whoami' })).id);
    if (ids.length % WARNING_EVERY === 0) console.log(`${ids.length} live, ${availableMiB().toFixed(0)} MiB available`);
  });
  return ids;
}

const answerAll = (arc: LaunchedArc, ids: readonly string[]) =>
  each(ids, ANSWERS_AT_ONCE, async (id) => {
    await firstAnswer(`${arc.edge}/_sb/${id}/`, {}, ANSWER_TIMEOUT_MS);
  });

/** ms of small requests to the API, one after the other: what holds up the event loop holds them up. */
async function looks(arc: LaunchedArc): Promise<readonly number[]> {
  const took: number[] = [];
  for (let look = 0; look < LOOKS; look += 1) {
    const began = performance.now();
    await (await fetch(`${arc.api}/healthz`)).arrayBuffer();
    took.push(performance.now() - began);
    await delay(50);
  }
  return took;
}

const secondsSince = (began: number) => ((performance.now() - began) / 1000).toFixed(1);

const before = availableMiB();
let arc = await launchArc({ octet: 213 });
try {
  const first = await arc.client.sandboxes.create({ template: 'whoami' });
  await firstAnswer(`${arc.edge}/_sb/${first.id}/`, {}, ANSWER_TIMEOUT_MS);
  const withOne = availableMiB();
  const began = performance.now();
  const ids = await createAll(arc);
  console.log(`${ids.length} created in ${secondsSince(began)} s`);
  const checked = await checkBoxes(arc, ids);
  console.log(checked);
  await answerAll(arc, ids);
  await delay(SETTLE_MS);
  const after = availableMiB();
  const held = await looks(arc);
  await arc.kill();
  const killed = performance.now();
  arc = await arc.again();
  const ready = secondsSince(killed);
  await answerAll(arc, ids);
  const served = secondsSince(killed);
  console.log(
    table(
      [`${COUNT} live whoami`, ''],
      [
        ['all-in, MiB', before - after],
        ['each beyond the first, MiB', ((withOne - after) / COUNT).toFixed(3)],
        [
          'GET /healthz p50, p99, max, ms',
          `${[median(held), percentile(held, 0.99), Math.max(...held)].map((ms) => ms.toFixed(1)).join(', ')}`,
        ],
        ['ready again after a kill, s', ready],
        ['all answer again, s', served],
      ],
    ),
  );
  const at = (limit: number) => ({ of: 'value', most: limit }) as const;
  await writeResult(
    'density',
    [
      figure(`${COUNT} live whoami, all-in`, before - after, { unit: 'MiB', bar: at(4096) }),
      figure('each beyond the first, all-in', (withOne - after) / COUNT, { unit: 'MiB', bar: at(1) }),
      figure('GET /healthz under all of them', held, { bar: { of: 'p99', most: 20 } }),
      figure('ready again after a kill', Number(ready), { unit: 's', bar: at(1) }),
      figure('all answer again after a kill', Number(served), { unit: 's', bar: at(3) }),
    ],
    { checked },
  );
} finally {
  await arc[Symbol.asyncDispose]();
}
