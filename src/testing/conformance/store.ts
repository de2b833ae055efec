import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ArcError } from '../../contract/errors.ts';
import type { Store } from '../../store/store.ts';

/** A store under test; `reopen` where what was committed outlives the object. */
export interface StoreSubject {
  readonly store: Store;
  readonly reopen?: () => Promise<Store>;
  readonly dispose: () => Promise<void>;
}

/** What every Store does. */
export function storeConformance(name: string, make: () => Promise<StoreSubject>): void {
  const check = (title: string, body: (subject: StoreSubject) => Promise<void>) =>
    it(title, async () => {
      const subject = await make();
      try {
        await body(subject);
      } finally {
        await subject.dispose();
      }
    });

  describe(`${name} as a Store`, () => {
    documents(check);
    atomicity(check);
    uniques(check);
    lists(check);
    sums(check);
    records(check);
    events(check);
  });
}

type Check = (title: string, body: (subject: StoreSubject) => Promise<void>) => void;

const put = (id: string, value: unknown, more: object = {}) =>
  ({ op: 'put', kind: 'thing', id, value, ...more }) as const;

const conflicts = async (work: Promise<unknown>) => {
  await assert.rejects(work, (error) => error instanceof ArcError && error.code === 'conflict');
};

function documents(check: Check): void {
  check('gives back what was put, as JSON does', async ({ store }) => {
    const value = { text: 'ü\u0000\n', list: [1, null, 'x'], deep: { yes: true, no: undefined } };
    const [revision] = await store.commit([put('a', value)]);
    const doc = await store.get('thing', 'a');
    assert.deepEqual(doc, { kind: 'thing', id: 'a', revision, value: JSON.parse(JSON.stringify(value)) });
    assert.equal(await store.get('thing', 'b'), undefined);
    assert.equal(await store.get('other', 'a'), undefined);
  });

  check('does not share values with its callers', async ({ store }) => {
    const value = { list: [1] };
    await store.commit([put('a', value)]);
    value.list.push(2);
    const first = await store.get<{ list: number[] }>('thing', 'a');
    first?.value.list.push(3);
    assert.deepEqual((await store.get('thing', 'a'))?.value, { list: [1] });
  });

  check('gives every write of a document a greater revision', async ({ store }) => {
    const [a = 0, b = 0] = await store.commit([put('a', 1), put('b', 1)]);
    const [c = 0] = await store.commit([put('a', 2)]);
    assert.ok(a > 0 && b > a && c > b);
  });

  check('writes only where the revision is the one that was named', async ({ store }) => {
    const [first = 0] = await store.commit([put('a', 1, { ifRevision: 0 })]);
    await conflicts(store.commit([put('a', 2, { ifRevision: 0 })]));
    await conflicts(store.commit([put('b', 2, { ifRevision: first })]));
    await store.commit([put('a', 2, { ifRevision: first })]);
    await conflicts(store.commit([put('a', 3, { ifRevision: first })]));
    await conflicts(store.commit([{ op: 'delete', kind: 'thing', id: 'a', ifRevision: first }]));
    assert.equal((await store.get('thing', 'a'))?.value, 2);
  });

  check('deletes, and takes what is not there for deleted', async ({ store }) => {
    const [revision = 0] = await store.commit([put('a', 1)]);
    await store.commit([{ op: 'delete', kind: 'thing', id: 'a', ifRevision: revision }]);
    await store.commit([{ op: 'delete', kind: 'thing', id: 'a' }]);
    assert.equal(await store.get('thing', 'a'), undefined);
    await store.commit([put('a', 2, { ifRevision: 0 })]);
  });
}

function atomicity(check: Check): void {
  check('writes all of a commit or nothing', async ({ store }) => {
    await store.commit([put('a', 1, { indexes: { color: ['red'] }, unique: ['slot:1'] })]);
    const before = await store.eventBounds();
    await conflicts(
      store.commit([
        put('a', 2, { indexes: { color: ['blue'] } }),
        put('b', 1, { unique: ['slot:2'] }),
        { op: 'event', value: 'never' },
        { op: 'delete', kind: 'thing', id: 'c' },
        put('a', 3, { ifRevision: 0 }),
      ]),
    );
    assert.equal((await store.get('thing', 'a'))?.value, 1);
    assert.equal(await store.get('thing', 'b'), undefined);
    assert.equal(await store.count({ kind: 'thing', where: [{ index: 'color', value: 'red' }] }), 1);
    assert.deepEqual(await store.events(before.newest, 10), []);
    await conflicts(store.commit([put('c', 1, { unique: ['slot:1'] })]));
    await store.commit([put('c', 1, { unique: ['slot:2'] })]);
  });

  check('keeps what was committed when it is opened again', async ({ store, reopen }) => {
    const [revision = 0] = await store.commit([put('a', 1, { unique: ['slot:1'] }), { op: 'event', value: 'e' }]);
    if (!reopen) return;
    await store.close();
    const again = await reopen();
    assert.equal((await again.get('thing', 'a'))?.revision, revision);
    await conflicts(again.commit([put('b', 1, { unique: ['slot:1'] })]));
    const [next = 0] = await again.commit([put('b', 1)]);
    assert.ok(next > revision);
    assert.deepEqual(
      (await again.events(0, 10)).map((event) => event.value),
      ['e'],
    );
  });

  check('refuses everything once it is closed', async ({ store }) => {
    await store.close();
    const closed = (error: unknown) => error instanceof ArcError && error.code === 'unavailable';
    await assert.rejects(store.get('thing', 'a'), closed);
    await assert.rejects(store.commit([put('a', 1)]), closed);
    await store.close();
  });
}

function uniques(check: Check): void {
  check('lets one document of a kind hold a unique value', async ({ store }) => {
    await store.commit([put('a', 1, { unique: ['slot:1', 'name:x'] })]);
    await conflicts(store.commit([put('b', 1, { unique: ['name:x'] })]));
    await store.commit([put('a', 2, { unique: ['slot:1', 'name:x'] })]);
    await store.commit([{ op: 'put', kind: 'other', id: 'b', value: 1, unique: ['slot:1'] }]);
  });

  check('gives a unique value free when its holder lets go or is deleted', async ({ store }) => {
    await store.commit([put('a', 1, { unique: ['slot:1', 'slot:2'] })]);
    await store.commit([put('a', 1, { unique: ['slot:2'] })]);
    await store.commit([put('b', 1, { unique: ['slot:1'] })]);
    await store.commit([{ op: 'delete', kind: 'thing', id: 'a' }, put('c', 1, { unique: ['slot:2'] })]);
    await conflicts(store.commit([put('a', 1, { unique: ['slot:2'] })]));
  });

  check('lets a unique value change hands within one commit', async ({ store }) => {
    await store.commit([put('a', 1, { unique: ['slot:1'] })]);
    await store.commit([put('a', 1), put('b', 1, { unique: ['slot:1'] })]);
    await conflicts(store.commit([put('c', 1, { unique: ['slot:1'] }), put('b', 1)]));
    await conflicts(store.commit([put('d', 1, { unique: ['slot:9'] }), put('e', 1, { unique: ['slot:9'] })]));
  });
}

function lists(check: Check): void {
  check('lists in the order of ids, page by page', async ({ store }) => {
    const ids = ['b', 'a-1', 'c', 'a', 'zz', 'B'];
    await store.commit(ids.map((id) => put(id, id)));
    await store.commit([{ op: 'put', kind: 'other', id: 'aa', value: 1 }]);
    const all = await store.list({ kind: 'thing', limit: 1000 });
    assert.deepEqual(
      all.map((doc) => doc.id),
      [...ids].sort(),
    );
    const page = await store.list({ kind: 'thing', after: 'a', limit: 2 });
    assert.deepEqual(
      page.map((doc) => doc.id),
      ['a-1', 'b'],
    );
    assert.deepEqual(await store.list({ kind: 'thing', after: 'zz', limit: 2 }), []);
  });

  check('finds documents for which all conditions hold', async ({ store }) => {
    await store.commit([
      put('a', 1, { indexes: { color: ['red', 'blue'], size: ['s'] } }),
      put('b', 1, { indexes: { color: ['red'], size: ['m'] } }),
      put('c', 1, { indexes: { color: ['blue'] } }),
      { op: 'put', kind: 'other', id: 'd', value: 1, indexes: { color: ['red'] } },
    ]);
    const find = async (...where: [string, string][]) =>
      (await store.list({ kind: 'thing', where: where.map(([index, value]) => ({ index, value })), limit: 10 })).map(
        (doc) => doc.id,
      );
    assert.deepEqual(await find(['color', 'red']), ['a', 'b']);
    assert.deepEqual(await find(['color', 'red'], ['size', 's']), ['a']);
    assert.deepEqual(await find(['color', 'red'], ['color', 'blue']), ['a']);
    assert.deepEqual(await find(['color', 'green']), []);
    assert.deepEqual(await find(['shape', 'red']), []);
    assert.equal(await store.count({ kind: 'thing', where: [{ index: 'color', value: 'blue' }] }), 2);
    assert.equal(await store.count({ kind: 'thing' }), 3);
  });

  check('indexes a document by what its last write said', async ({ store }) => {
    const find = (value: string) => store.count({ kind: 'thing', where: [{ index: 'color', value }] });
    await store.commit([put('a', 1, { indexes: { color: ['red', 'red'] } })]);
    await store.commit([put('a', 1, { indexes: { color: ['blue'] } })]);
    assert.deepEqual([await find('red'), await find('blue')], [0, 1]);
    await store.commit([put('a', 1)]);
    assert.equal(await find('blue'), 0);
    await store.commit([put('a', 1, { indexes: { color: ['blue'] } })]);
    await store.commit([{ op: 'delete', kind: 'thing', id: 'a' }]);
    assert.equal(await find('blue'), 0);
  });

  check('refuses a list without a sensible limit', async ({ store }) => {
    for (const limit of [0, -1, 1.5, 1001]) await assert.rejects(store.list({ kind: 'thing', limit }));
  });
}

function sums(check: Check): void {
  const refused = (code: string, extra: object) => (error: unknown) => {
    assert.ok(error instanceof ArcError && error.code === code, String(error));
    for (const [key, value] of Object.entries(extra)) assert.equal(error.extra[key], value, key);
    return true;
  };

  check('sums what documents add, through every change of them', async ({ store, reopen }) => {
    await store.commit([put('a', 1, { tallies: { n: 1, m: 10 } }), put('b', 1, { tallies: { n: 1, m: 5 } })]);
    await store.commit([{ op: 'put', kind: 'other', id: 'a', value: 1, tallies: { n: 7 } }]);
    await store.commit([put('a', 2, { tallies: { n: 1, m: 3 } })]);
    assert.deepEqual([await store.tally('thing', 'n'), await store.tally('thing', 'm')], [2, 8]);
    await store.commit([put('b', 2)]);
    await store.commit([{ op: 'delete', kind: 'thing', id: 'a' }]);
    assert.deepEqual([await store.tally('thing', 'n'), await store.tally('thing', 'm')], [0, 0]);
    await store.commit([put('c', 1, { tallies: { n: 4 } })]);
    if (reopen) await store.close();
    assert.equal(await (reopen ? await reopen() : store).tally('thing', 'n'), 4);
  });

  check('refuses a write that raises a sum beyond its ceiling, and no other', async ({ store }) => {
    const one = (id: string, most: number) => put(id, 1, { tallies: { n: 1 }, ceilings: { n: most } });
    const works = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => store.commit([put(`with-${id}`, 1), one(id, 4)]));
    const results = await Promise.allSettled(works);
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 4);
    assert.equal(await store.count({ kind: 'thing' }), 8, 'a refused commit leaves nothing');
    await assert.rejects(store.commit([one('g', 4)]), refused('quota_exceeded', { tally: 'n', used: 5, most: 4 }));
    // The ceiling was lowered below what is there: what adds nothing may still be written.
    await store.commit([one('a', 1)]);
    await assert.rejects(
      store.commit([put('a', 1, { tallies: { n: 2 }, ceilings: { n: 1 } })]),
      refused('quota_exceeded', {}),
    );
    assert.equal(await store.tally('thing', 'n'), 4);
    await store.commit([{ op: 'delete', kind: 'thing', id: 'a' }, one('g', 4)]);
  });

  check('fills a bucket only where it fits, and with the rest of the commit', async ({ store }) => {
    const use = (id: string, now: number) =>
      store.commit([put(id, 1), { op: 'spend', bucket: 'b', spending: { now, cost: 30, most: 60 } }]);
    const results = await Promise.allSettled(['a', 'b', 'c'].map((id) => use(id, 1_000)));
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 2);
    assert.equal(await store.count({ kind: 'thing' }), 2);
    await assert.rejects(use('d', 1_010), refused('rate_limited', { bucket: 'b', retryAfterMs: 20 }));
    await use('d', 1_030);
    await conflicts(
      store.commit([
        { op: 'spend', bucket: 'other', spending: { now: 5, cost: 60, most: 60 } },
        put('a', 1, { ifRevision: 0 }),
      ]),
    );
    await store.commit([{ op: 'spend', bucket: 'other', spending: { now: 5, cost: 60, most: 60 } }]);
  });
}

function records(check: Check): void {
  check('keeps a record beside the feed, newest first, and trims it from its old end only', async ({ store }) => {
    for (const value of [1, 2, 3]) await store.commit([{ op: 'record', value }, put('a', value)]);
    await conflicts(store.commit([{ op: 'record', value: 'never' }, put('a', 1, { ifRevision: 0 })]));
    await store.commit([{ op: 'record', value: 4 }]);
    const values = async (before?: number, limit = 10) =>
      (await store.records(before, limit)).map(({ value }) => value);
    assert.deepEqual(await values(), [4, 3, 2, 1]);
    const [, second] = await store.records(undefined, 2);
    assert.deepEqual(await values(second?.seq, 1), [2]);
    assert.deepEqual(await store.events(0, 10), []);
    await store.trimRecords(2);
    assert.deepEqual(await values(), [4, 3]);
    await store.trimRecords(5);
    await store.trimRecords(0);
    assert.deepEqual(await values(), []);
  });
}

function events(check: Check): void {
  check('appends events in order and gives those after a seq', async ({ store }) => {
    assert.deepEqual(await store.eventBounds(), { oldest: 1, newest: 0 });
    await store.commit([{ op: 'event', value: 'a' }, put('x', 1), { op: 'event', value: { b: 1 } }]);
    await store.commit([{ op: 'event', value: 'c' }]);
    const all = await store.events(0, 10);
    assert.deepEqual(
      all.map((event) => event.value),
      ['a', { b: 1 }, 'c'],
    );
    assert.ok(all.every((event, at) => at === 0 || event.seq > (all[at - 1]?.seq ?? 0)));
    const [first, second] = all;
    assert.deepEqual(await store.events(first?.seq ?? 0, 1), [second]);
    const { oldest, newest } = await store.eventBounds();
    assert.deepEqual([oldest, newest], [first?.seq, all.at(-1)?.seq]);
  });

  check('forgets events up to a seq and never gives a seq again', async ({ store, reopen }) => {
    await store.commit([1, 2, 3].map((value) => ({ op: 'event', value }) as const));
    const { newest } = await store.eventBounds();
    await store.trimEvents(newest - 1);
    assert.deepEqual(
      (await store.events(0, 10)).map((event) => event.value),
      [3],
    );
    await store.trimEvents(newest);
    assert.deepEqual(await store.eventBounds(), { oldest: newest + 1, newest });
    let current = store;
    if (reopen) {
      await store.close();
      current = await reopen();
    }
    await current.commit([{ op: 'event', value: 4 }]);
    assert.deepEqual(await current.events(0, 10), [{ seq: newest + 1, value: 4 }]);
  });

  check('tells listeners after each commit with events, and only then', async ({ store }) => {
    let heard = 0;
    const end = store.onEvents(() => {
      heard += 1;
    });
    store.onEvents(() => {
      throw new Error('a listener with a fault');
    });
    await store.commit([put('a', 1)]);
    assert.equal(heard, 0);
    await store.commit([
      { op: 'event', value: 1 },
      { op: 'event', value: 2 },
    ]);
    assert.equal(heard, 1);
    await conflicts(store.commit([{ op: 'event', value: 3 }, put('a', 1, { ifRevision: 0 })]));
    assert.equal(heard, 1);
    end();
    await store.commit([{ op: 'event', value: 4 }]);
    assert.equal(heard, 1);
  });
}
