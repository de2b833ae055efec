import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { Admission } from './admission.ts';

const OWNER_OF = (id: string) => (id < 'd' ? 'ada' : 'bob');

it('starts go in the order of asking, a bounded number at once, and nobody overtakes', () => {
  const admission = new Admission({ startsMax: 2, queueMax: 10 });
  assert.ok(admission.tryBegin('a') && admission.tryBegin('b'));
  assert.ok(!admission.tryBegin('c'));
  for (const id of ['c', 'd', 'd', 'a']) admission.push(id, 'ada', undefined);
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
  admission.checkRoom('bob');
  admission.push('a', 'ada', undefined);
  assert.throws(() => admission.checkRoom('bob'), { code: 'at_capacity' });
});

it('of one owner no more may wait than leave room for others', () => {
  const admission = new Admission({ startsMax: 1, queueMax: 4 });
  for (const id of ['a', 'b']) admission.push(id, 'ada', undefined);
  assert.throws(() => admission.checkRoom('ada'), { code: 'at_capacity' });
  admission.checkRoom('bob');
});

it('owners take turns however much one of them asks for, each in its own order', () => {
  const admission = new Admission({ startsMax: 1, queueMax: 100 });
  for (const id of ['a1', 'a2', 'a3', 'a4']) admission.push(id, 'ada', undefined);
  for (const id of ['b1', 'b2']) admission.push(id, 'bob', undefined);
  admission.push('c1', 'cy', undefined);
  const all = ['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4'];
  assert.deepEqual(
    all.map((id) => admission.position(id)),
    [1, 2, 3, 4, 5, 6, 7],
  );
  const order = [];
  for (let next = admission.next(); next; next = admission.next()) {
    order.push(next.id);
    admission.leave(next.id);
  }
  assert.deepEqual(order, all);
});

it('the place that is told is the place in which it goes', () => {
  const push = fc.tuple(fc.constantFrom('ada', 'bob', 'cy', 'di'), fc.nat(30));
  fc.assert(
    fc.property(fc.array(push, { maxLength: 40 }), fc.nat(10), (pushes, taken) => {
      const admission = new Admission({ startsMax: 1, queueMax: 1_000 });
      for (const [owner, number] of pushes) admission.push(`${owner}${number}`, owner, undefined);
      const take = () => {
        const next = admission.next();
        if (next) admission.leave(next.id);
        return next?.id;
      };
      for (let i = 0; i < taken; i++) take();
      const ids = [...new Set(pushes.map(([owner, number]) => `${owner}${number}`))];
      const told = ids.filter((id) => admission.has(id));
      told.sort((a, b) => (admission.position(a) ?? 0) - (admission.position(b) ?? 0));
      assert.deepEqual(
        told.map(() => take()),
        told,
      );
    }),
  );
});

it('whatever happens, starts are bounded, all that waits has a place, and all is done in the end', () => {
  const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
  const move = fc.tuple(fc.constantFrom('try', 'push', 'next', 'leave'), id);
  fc.assert(
    fc.property(fc.array(move), fc.integer({ min: 1, max: 3 }), (moves, startsMax) => {
      const admission = new Admission({ startsMax, queueMax: 100 });
      for (const [what, which] of moves) {
        if (what === 'try' && !admission.has(which)) admission.tryBegin(which);
        if (what === 'push') admission.push(which, OWNER_OF(which), undefined);
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
