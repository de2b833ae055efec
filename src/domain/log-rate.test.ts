import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LOG_BURST_SECONDS, LOG_METER, meterLog } from './log-rate.ts';

/** Bytes that pass of a program that writes `bytes` every `every` ms, for `ms`. */
function passed(bytes: number, every: number, ms: number, rate: number): number {
  let meter = LOG_METER;
  let sum = 0;
  for (let now = 0; now < ms; now += every) {
    meter = meterLog(meter, now, bytes, rate);
    if (!meter.held) sum += bytes;
  }
  return sum;
}

test('a program within its rate loses nothing, however long it writes', () => {
  assert.equal(passed(100, 100, 3_600_000, 1000), 3_600_000);
});

test('a flood passes at its rate, and what a pause has saved up before that', () => {
  const sum = passed(10_000, 1, 60_000, 1000);
  assert.ok(sum > 60 * 1000 && sum < (60 + LOG_BURST_SECONDS) * 1000 + 2 * 10_000, `${sum} bytes`);
});

test('what is dropped is dropped for a second at a time', () => {
  const from = { paid: LOG_BURST_SECONDS * 1000 + 1, held: false };
  const held = meterLog(from, 0, 1, 1000);
  assert.equal(held.held, true);
  assert.equal(meterLog(held, 900, 1, 1000).held, true);
  assert.equal(meterLog(held, 1001, 1, 1000).held, false);
});
