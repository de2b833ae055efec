import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, percentile, summarize } from './percentile.ts';

test('a percentile is a value that was measured, in whatever order they came', () => {
  const values = [9, 1, 8, 2, 7, 3, 6, 4, 5, 10];
  assert.equal(percentile(values, 0.5), 5);
  assert.equal(percentile(values, 0.9), 9);
  assert.equal(percentile(values, 0.99), 10);
  assert.deepEqual(summarize(values), { n: 10, min: 1, p50: 5, p90: 9, p99: 10, max: 10 });
});

test('one value is all of its percentiles, and none is not a number', () => {
  assert.deepEqual(summarize([4]), { n: 1, min: 4, p50: 4, p90: 4, p99: 4, max: 4 });
  assert.ok(Number.isNaN(median([])));
  assert.equal(summarize([]).n, 0);
});
