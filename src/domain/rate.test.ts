import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { evenly, spend } from './rate.ts';

const from = (now: number, emptyAt = 0, count = 3) => spend(emptyAt, { now, ...evenly(count, 60_000) });

describe('a bucket', () => {
  it('takes as many at once as it holds, and says after how long the next one fits', () => {
    let emptyAt = 0;
    for (let use = 0; use < 3; use++) {
      const spent = from(1_000, emptyAt);
      assert.ok(spent.ok);
      emptyAt = spent.emptyAt;
    }
    assert.deepEqual(from(1_000, emptyAt), { ok: false, retryMs: 20_000 });
    assert.ok(!from(20_000, emptyAt).ok);
    assert.ok(from(21_000, emptyAt).ok);
  });

  it('makes nobody wait for more than a full bucket after the clock was set back', () => {
    assert.deepEqual(from(0, 86_400_000), { ok: false, retryMs: 20_000 });
  });

  it('never takes more than it holds and what drained meanwhile', () => {
    const steps = fc.array(fc.nat(20_000), { maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), steps, (count, pauses) => {
        let [now, emptyAt, taken] = [5, 0, 0];
        for (const pause of pauses) {
          now += pause;
          const spent = spend(emptyAt, { now, ...evenly(count, 60_000) });
          if (!spent.ok) continue;
          emptyAt = spent.emptyAt;
          taken += 1;
        }
        assert.ok(taken <= count + ((now - 5) * count) / 60_000 + 0.01);
      }),
    );
  });
});
