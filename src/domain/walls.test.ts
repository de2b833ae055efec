import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Supply, walls } from './walls.ts';

const supply = (name: string, limit: number, used: number, each: number): Supply => ({
  name,
  title: name,
  limit,
  used,
  each,
});

test('the wall that is met first comes first, by what is left and what one more takes', () => {
  const found = walls([supply('ids', 1_000, 0, 1), supply('memory', 1_000, 500, 2), supply('files', 10_000, 0, 3)]);
  assert.deepEqual(
    found.map(({ name, room }) => [name, room]),
    [
      ['memory', 250],
      ['ids', 1_000],
      ['files', 3_333],
    ],
  );
});

test('what is used up already leaves no room, never less than none', () => {
  assert.equal(walls([supply('pids', 10, 12, 1)])[0]?.room, 0);
});

test('what has no limit, or of which a sandbox takes nothing, is no wall', () => {
  assert.deepEqual(walls([supply('a', Number.POSITIVE_INFINITY, 0, 1), supply('b', 5, 0, 0)]), []);
});
