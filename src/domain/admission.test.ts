import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { Admission } from './admission.ts';

it('starts go in the order of asking, a bounded number at once, and nobody overtakes', () => {
  const admission = new Admission({ startsMax: 2, queueMax: 10 });
  assert.ok(admission.tryBegin('a') && admission.tryBegin('b'));
  assert.ok(!admission.tryBegin('c'));
  for (const id of ['c', 'd', 'd', 'a']) admission.push(id, undefined);
  assert.deepEqual(
    ['a', 'c', 'd', 'x'].map((id) => admission.position(id)),
    [undefined, 1, 2, undefined],
  );
  assert.equal(admission.next(), undefined);
  admission.leave('a');
  assert.ok(!admission.tryBegin('e'), 'others wait already');
  assert.equal(admission.next()?.id, 'c');
  assert.equal(admission.position('d'), 1);
});

it('a full queue takes no new ones', () => {
  const admission = new Admission({ startsMax: 1, queueMax: 1 });
  admission.checkRoom();
  admission.push('a', undefined);
  assert.throws(() => admission.checkRoom(), { code: 'at_capacity' });
});

it('whatever happens, starts are bounded, all that waits has a place, and all is done in the end', () => {
  const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
  const move = fc.tuple(fc.constantFrom('try', 'push', 'next', 'leave'), id);
  fc.assert(
    fc.property(fc.array(move), fc.integer({ min: 1, max: 3 }), (moves, startsMax) => {
      const admission = new Admission({ startsMax, queueMax: 100 });
      for (const [what, which] of moves) {
        if (what === 'try' && !admission.has(which)) admission.tryBegin(which);
        if (what === 'push') admission.push(which, undefined);
        if (what === 'next') admission.next();
        if (what === 'leave') admission.leave(which);
        assert.ok(admission.starting <= startsMax);
        const places = ['a', 'b', 'c', 'd', 'e', 'f'].flatMap((one) => admission.position(one) ?? []).sort();
        assert.deepEqual(
          places,
          Array.from({ length: admission.waiting }, (_, at) => at + 1),
        );
      }
      for (const one of ['a', 'b', 'c', 'd', 'e', 'f']) if (admission.position(one) === undefined) admission.leave(one);
      for (let next = admission.next(); next; next = admission.next()) admission.leave(next.id);
      assert.deepEqual([admission.starting, admission.waiting], [0, 0]);
    }),
  );
});
