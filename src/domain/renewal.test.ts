import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jittered, renewalAt } from './renewal.ts';

const DAY = 86_400_000;

test('a certificate is renewed when two thirds of its life are over, or a little earlier', () => {
  const life = { from: 10 * DAY, until: 100 * DAY };
  assert.equal(renewalAt(life, 0), 70 * DAY);
  assert.ok(renewalAt(life, 0.999) >= 67 * DAY);
  assert.ok(renewalAt(life, 0.999) < 68 * DAY);
});

test('a certificate of a life that is none is renewed at once', () => {
  assert.equal(renewalAt({ from: 5, until: 1 }, 0.5), 5);
});

test('a wait is at most a quarter longer or shorter', () => {
  assert.equal(jittered(1_000, 0), 750);
  assert.equal(jittered(1_000, 0.5), 1_000);
  assert.ok(jittered(1_000, 0.999_999) <= 1_250);
});
