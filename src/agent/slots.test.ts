import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ArcError } from '../contract/errors.ts';
import { type GrowingIds, Slots } from './slots.ts';

test('a slot that was given back is taken again only after all others', () => {
  const slots = new Slots(4);
  const first = slots.take();
  slots.give(first);
  assert.deepEqual([slots.take(), slots.take(), slots.take(), slots.take()], [2, 3, 4, 1]);
});

test('when all are taken the next is refused and can be tried again', () => {
  const slots = new Slots(1);
  slots.take();
  assert.throws(
    () => slots.take(),
    (error) => error instanceof ArcError && error.code === 'at_capacity' && error.retryable,
  );
});

test('slots found in use after a restart are not given, and the search goes on behind them', () => {
  const slots = new Slots(10);
  slots.claim(3);
  slots.claim(7);
  assert.equal(slots.take(), 8);
  assert.deepEqual([slots.take(), slots.take(), slots.take()], [9, 10, 1]);
  assert.deepEqual([slots.take(), slots.take()], [2, 4]);
});

test('a number that is no slot claims nothing', () => {
  const slots = new Slots(2);
  slots.claim(0);
  slots.claim(3);
  assert.equal(slots.taken, 0);
});

/** Ids for `step` more slots with each growth, until there are `most`. */
function idsOf(step: number, most: number): GrowingIds {
  let slots = step;
  return {
    get slots() {
      return slots;
    },
    grow: () => {
      if (slots >= most) throw new ArcError('at_capacity', 'no ids are left');
      slots += step;
    },
  };
}

test('with half of the ids taken more are asked for, so that a slot is left alone for a while', () => {
  const slots = new Slots(100, idsOf(4, 8));
  const first = slots.take();
  slots.give(first);
  assert.deepEqual([slots.take(), slots.take(), slots.take(), slots.take()], [2, 3, 4, 5]);
  assert.deepEqual([slots.take(), slots.take(), slots.take(), slots.take()], [6, 7, 8, 1]);
  assert.throws(() => slots.take(), /no ids are left/);
});

test('a few that come and go need no more ids than the first', () => {
  const ids = idsOf(4, 100);
  const slots = new Slots(100, ids);
  for (let round = 0; round < 50; round++) slots.give(slots.take());
  assert.equal(ids.slots, 4);
});
