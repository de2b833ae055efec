import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Places } from './places.ts';

it('so many work at once and the others wait, in the order of asking, also after errors', async () => {
  const places = new Places(2);
  const begun: number[] = [];
  let [inside, most] = [0, 0];
  const work = (number: number) => async () => {
    begun.push(number);
    inside += 1;
    most = Math.max(most, inside);
    await new Promise<void>((resolve) => setImmediate(resolve));
    inside -= 1;
    if (number === 1) throw new Error('one');
    return number;
  };
  const results = await Promise.allSettled([0, 1, 2, 3, 4].map((number) => places.run(work(number))));
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled'],
  );
  assert.deepEqual([begun, most], [[0, 1, 2, 3, 4], 2]);
  assert.equal(await places.run(work(5)), 5);
});
