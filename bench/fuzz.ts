import fc from 'fast-check';
import { TARGETS } from '../test/fuzz/targets.ts';
import { numberOf } from './lib/flags.ts';

/**
 * Everything that reads what strangers send, fed with what is nearly right, for as long as one likes. A failure prints the
 * seed and the smallest input that shows it, and ends with code 1.
 *
 *     node bench/fuzz.ts [--seconds 600] [--seed N]
 */
const SECONDS = numberOf('--seconds', 600);
const ROUND = 500;
let seed = numberOf('--seed', Date.now() % 2 ** 31);
let failed = false;
const runs = new Map(TARGETS.map(({ name }) => [name, 0]));

for (const end = performance.now() + SECONDS * 1000; performance.now() < end && !failed; seed += 1) {
  for (const { name, property } of TARGETS) {
    const details = await fc.check(property, { numRuns: ROUND, seed });
    runs.set(name, (runs.get(name) ?? 0) + details.numRuns);
    if (!details.failed) continue;
    failed = true;
    console.log(`${name}: ${fc.defaultReportMessage(details)}`);
  }
}
for (const [name, count] of runs) console.log(`${name.padEnd(42)} ${count.toLocaleString('en')} inputs`);
process.exitCode = failed ? 1 : 0;
