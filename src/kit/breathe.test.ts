import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breathe, breathing } from './breathe.ts';
import { eachLimited } from './limit.ts';

const ITEMS = Array.from({ length: 1000 }, (_, index) => index);

/** How often others came in between. */
async function turnsDuring(work: () => Promise<void>): Promise<number> {
  let turns = 0;
  let over = false;
  const others = (async () => {
    for (; !over; turns += 1) await breathe();
  })();
  await work();
  over = true;
  await others;
  return turns;
}

test('a loop over everything there is lets others in between, and loses nothing', async () => {
  const seen: number[] = [];
  const turns = await turnsDuring(async () => {
    for await (const item of breathing(ITEMS, 100)) seen.push(item);
  });
  assert.deepEqual(seen, ITEMS);
  assert.ok(turns >= 9, `${turns} turns`);
});

test('so does work over all items at most so many at once', async () => {
  const seen: number[] = [];
  const turns = await turnsDuring(() => eachLimited(ITEMS, 8, async (item) => void seen.push(item)));
  assert.deepEqual(seen.length, ITEMS.length);
  assert.ok(turns >= 7, `${turns} turns`);
});
