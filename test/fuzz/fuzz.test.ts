import { test } from 'node:test';
import fc from 'fast-check';
import { TARGETS } from './targets.ts';

/** Short, for the suite; `bench/fuzz.ts` goes on for as long as it is told to. */
const RUNS = 150;

for (const { name, property } of TARGETS) {
  test(`${name}: whatever comes is taken whole or refused with an error of ours`, async () => {
    await fc.assert(property, { numRuns: RUNS });
  });
}
