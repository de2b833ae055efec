import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { launchArc } from '../test/e2e/lib/launch.ts';
import { checkBoxes } from './lib/check-boxes.ts';
import { median, table } from './lib/figures.ts';
import { numberOf } from './lib/flags.ts';
import { figure, writeResult } from './lib/result.ts';
import { startDocker } from './peers/docker.ts';

/**
 * create + remove of `whoami`, so many at once, each cold, for so long: Arc in its full default box against Docker Engine with
 * the same program, in turns of some seconds; and whether the rate stays what it was.
 *
 *     node bench/sustained.ts [--seconds 60] [--turn 10] [--at-once 4] [--json FILE]
 */
const SECONDS = numberOf('--seconds', 60);
const TURN_SECONDS = numberOf('--turn', 10);
const AT_ONCE = numberOf('--at-once', 4);

await using arc = await launchArc({ octet: 214 });
await using docker = await startDocker();
const { create, remove } = {
  create: () => arc.client.sandboxes.create({ template: 'whoami' }),
  remove: (id: string) => arc.client.sandboxes.remove(id),
};
// The first create of a template builds its root, and with it the binary that Docker gets.
const first = await create();
const builtins = join(arc.dataDir, 'builtins');
const root = (await readdir(builtins)).find((name) => name.startsWith('whoami-')) ?? '';
const binary = await readFile(join(builtins, root, 'whoami'));
await docker.importImage('whoami', [{ path: 'whoami', mode: 0o755, data: binary }]);
const checked = await checkBoxes(arc, [first.id]);
console.log(checked);
await remove(first.id);

async function arcOnce(): Promise<void> {
  await remove((await create()).id);
}

async function dockerOnce(): Promise<void> {
  const { id } = await docker.run('whoami', ['/whoami']);
  await docker.remove(id);
}

/** A turn's rate, of what was finished in it. */
async function rateOf(once: () => Promise<void>): Promise<number> {
  const began = performance.now();
  let done = 0;
  const worker = async () => {
    for (; performance.now() - began < TURN_SECONDS * 1000; done += 1) await once();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return (done / (performance.now() - began)) * 1000;
}

const ours: number[] = [];
const theirs: number[] = [];
for (let turn = 0; turn < Math.ceil(SECONDS / TURN_SECONDS); turn += 1) {
  ours.push(await rateOf(arcOnce));
  theirs.push(await rateOf(dockerOnce));
}
const shown = (rates: readonly number[]) => rates.map((rate) => rate.toFixed(1)).join(' ');
console.log(
  table(
    [`create + remove, ${AT_ONCE} at once, ${SECONDS} s each`, 'a second', 'least turn', 'most'],
    [
      ['Arc', median(ours), Math.min(...ours), Math.max(...ours)],
      [`Docker Engine ${docker.version}`, median(theirs), Math.min(...theirs), Math.max(...theirs)],
    ],
  ),
);
console.log(`ratio ${(median(ours) / median(theirs)).toFixed(1)}; Arc turn by turn: ${shown(ours)}`);
await writeResult(
  'sustained',
  [
    figure(`create + remove, ${AT_ONCE} at once`, ours, {
      unit: 'a second',
      peer: { name: `Docker Engine ${docker.version}`, values: theirs },
      higherIsBetter: true,
      bar: { of: 'ratio', least: 10 },
    }),
    figure('slowest turn of the fastest', (Math.min(...ours) / Math.max(...ours)) * 100, { unit: '%' }),
  ],
  { checked },
);
