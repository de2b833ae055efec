import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { ArcError, type ErrorCode } from '../contract/errors.ts';
import { afterThisTurn } from '../kit/real.ts';
import { storeConformance } from '../testing/conformance/store.ts';
import { MIGRATIONS } from './migrations.ts';
import { SqliteStore } from './sqlite.ts';

const folder = () => mkdtemp(join(tmpdir(), 'arc-store-'));
const isCode = (code: ErrorCode) => (error: unknown) => error instanceof ArcError && error.code === code;

for (const [name, more] of [
  ['SqliteStore', {}],
  ['SqliteStore that writes commits together', { together: afterThisTurn }],
  ['SqliteStore with a thread that writes', { together: afterThisTurn, thread: true }],
] as const) {
  storeConformance(name, async () => {
    const dir = await folder();
    const options = { path: join(dir, 'arc.db'), ...more };
    const stores = [new SqliteStore(options)];
    const first = stores[0] as SqliteStore;
    return {
      store: first,
      reopen: async () => {
        const store = new SqliteStore(options);
        stores.push(store);
        return store;
      },
      dispose: async () => {
        for (const store of stores) await store.close();
        await rm(dir, { recursive: true });
      },
    };
  });
}

for (const thread of [false, true]) {
  describe(`commits that are asked for at the same moment${thread ? ', with a thread that writes' : ''}`, () => {
    const put = (id: string, value: string, ifRevision?: number) =>
      ({ op: 'put', kind: 'thing', id, value, ...(ifRevision === undefined ? {} : { ifRevision }) }) as const;

    it('are written together, and one that is refused takes nothing of the others with it', async () => {
      const dir = await folder();
      let turns = 0;
      const together = (write: () => void) => {
        turns += 1;
        afterThisTurn(write);
      };
      const store = new SqliteStore({ path: join(dir, 'arc.db'), together, thread });
      let told = 0;
      store.onEvents(() => {
        told += 1;
      });
      const event = { op: 'event', value: 'x' } as const;
      const works = [
        store.commit([put('a', '1', 0), event]),
        store.commit([put('b', '1', 0), put('a', '2', 0), event]),
        store.commit([put('c', '1', 0), event]),
      ];
      const [a, b, c] = await Promise.allSettled(works);
      assert.equal(turns, 1);
      assert.equal(told, 1);
      assert.deepEqual([a?.status, b?.status, c?.status], ['fulfilled', 'rejected', 'fulfilled']);
      assert.deepEqual(
        (await store.list({ kind: 'thing', limit: 10 })).map(({ id }) => id),
        ['a', 'c'],
      );
      assert.equal((await store.events(0, 10)).length, 2);
      assert.deepEqual(c?.status === 'fulfilled' && c.value[0], (await store.get('thing', 'c'))?.revision);
      await store.close();
      await rm(dir, { recursive: true });
    });

    it('are each all or nothing on a full disk, and one that still fits is written', async () => {
      const dir = await folder();
      const store = new SqliteStore({
        path: join(dir, 'arc.db'),
        maxBytes: 256 * 1024,
        together: afterThisTurn,
        thread,
      });
      const sizes = [1_000, 400_000, 1_000];
      const works = sizes.map((size, index) => store.commit([put(`t-${index}`, 'x'.repeat(size))]));
      const results = await Promise.allSettled(works);
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
      );
      assert.deepEqual(
        (await store.list({ kind: 'thing', limit: 10 })).map(({ id }) => id),
        ['t-0', 't-2'],
      );
      await store.close();
      await rm(dir, { recursive: true });
    });

    it('are written before the store closes', async () => {
      const dir = await folder();
      const path = join(dir, 'arc.db');
      const store = new SqliteStore({ path, together: afterThisTurn, thread });
      const work = store.commit([put('a', '1')]);
      await store.close();
      assert.equal((await work).length, 1);
      const again = new SqliteStore({ path });
      assert.equal(await again.count({ kind: 'thing' }), 1);
      await again.close();
      await rm(dir, { recursive: true });
    });
  });

  describe(`SqliteStore on a bad day${thread ? ', with a thread that writes' : ''}`, () => {
    it('says disk_full when the database can not grow, keeps what it had and goes on when there is room', async () => {
      const dir = await folder();
      const path = join(dir, 'arc.db');
      const store = new SqliteStore({ path, maxBytes: 256 * 1024, thread });
      const write = (id: string) => store.commit([{ op: 'put', kind: 'thing', id, value: 'x'.repeat(20_000) }]);
      let held = 0;
      await assert.rejects(async () => {
        for (; held < 100; held++) await write(`t-${held}`);
      }, isCode('disk_full'));
      assert.equal(await store.count({ kind: 'thing' }), held);
      await store.commit([{ op: 'delete', kind: 'thing', id: 't-0' }]);
      await write('t-0');
      await store.close();
      const again = new SqliteStore({ path });
      assert.equal(await again.count({ kind: 'thing' }), held);
      await again.close();
      await rm(dir, { recursive: true });
    });

    it('knows the sums of what an earlier version wrote', async () => {
      const dir = await folder();
      const path = join(dir, 'arc.db');
      const db = new DatabaseSync(path);
      db.exec('CREATE TABLE migrations (version INTEGER PRIMARY KEY)');
      for (const [step, sql] of MIGRATIONS.slice(0, 2).entries()) {
        db.exec(sql);
        db.prepare('INSERT INTO migrations VALUES (?)').run(step + 1);
      }
      for (const [at, state] of ['running', 'frozen', 'stopped', 'failed', 'removed'].entries()) {
        const value = JSON.stringify({ owner: 'ada', state, spec: { limits: { memoryBytes: 10 } } });
        db.prepare("INSERT INTO docs VALUES ('sandbox', ?, ?, ?)").run(`sb-${state}`, at + 1, value);
      }
      db.close();
      const store = new SqliteStore({ path, thread });
      const sums = await Promise.all(
        ['total', 'running', 'memory'].map((name) => store.tally('sandbox', `${name}/ada`)),
      );
      assert.deepEqual(sums, [3, 2, 20]);
      await store.commit([{ op: 'delete', kind: 'sandbox', id: 'sb-frozen' }]);
      assert.equal(await store.tally('sandbox', 'memory/ada'), 10);
      await store.close();
      await rm(dir, { recursive: true });
    });

    it('refuses a second store on the same database while the first is open', async () => {
      const dir = await folder();
      const path = join(dir, 'arc.db');
      const store = new SqliteStore({ path, thread });
      assert.throws(() => new SqliteStore({ path, busyMs: 10 }), isCode('data_dir_locked'));
      await store.close();
      await new SqliteStore({ path, busyMs: 10 }).close();
      await rm(dir, { recursive: true });
    });

    it('refuses a database of a newer schema and leaves it as it is', async () => {
      const dir = await folder();
      const path = join(dir, 'arc.db');
      await new SqliteStore({ path, thread }).close();
      const db = new DatabaseSync(path);
      db.exec('INSERT INTO migrations VALUES (999)');
      db.close();
      assert.throws(() => new SqliteStore({ path }), isCode('host_unfit'));
      await rm(dir, { recursive: true });
    });

    it('says so when the file is no database, or its folder is missing', async () => {
      const dir = await folder();
      await writeFile(join(dir, 'bad.db'), 'this is not a database'.repeat(100));
      assert.throws(() => new SqliteStore({ path: join(dir, 'bad.db') }), isCode('internal'));
      assert.throws(() => new SqliteStore({ path: join(dir, 'no', 'arc.db') }), isCode('invalid_config'));
      await rm(dir, { recursive: true });
    });
  });
}

describe('SqliteStore with a thread that writes', () => {
  it('takes what is asked for while it writes as the next batch, and answers in order', async () => {
    const dir = await folder();
    const store = new SqliteStore({ path: join(dir, 'arc.db'), thread: true });
    const works = Array.from({ length: 200 }, (_, n) =>
      store.commit([{ op: 'put', kind: 'thing', id: `t-${n}`, value: n, ifRevision: 0 }]),
    );
    const revisions = (await Promise.all(works)).map(([revision]) => revision);
    assert.deepEqual(
      revisions,
      revisions.map((_, n) => n + 1),
    );
    assert.equal(await store.count({ kind: 'thing' }), 200);
    await store.close();
    await rm(dir, { recursive: true });
  });

  it('reads without waiting for what is being written', async () => {
    const dir = await folder();
    const store = new SqliteStore({ path: join(dir, 'arc.db'), thread: true });
    await store.commit([{ op: 'put', kind: 'thing', id: 'a', value: 1 }]);
    let written = false;
    const work = store.commit([{ op: 'put', kind: 'thing', id: 'a', value: 'x'.repeat(1_000_000) }]).then(() => {
      written = true;
    });
    assert.equal((await store.get('thing', 'a'))?.value, 1);
    assert.equal(written, false);
    await work;
    assert.notEqual((await store.get('thing', 'a'))?.value, 1);
    await store.close();
    await rm(dir, { recursive: true });
  });

  it('keeps its log short, however much is written', async () => {
    const dir = await folder();
    const path = join(dir, 'arc.db');
    const store = new SqliteStore({ path, thread: true });
    for (let n = 0; n < 60; n++)
      await store.commit([{ op: 'put', kind: 'thing', id: `t-${n % 3}`, value: 'x'.repeat(400_000) }]);
    assert.ok((await stat(`${path}-wal`)).size < 16 * 1024 ** 2);
    await store.close();
    await rm(dir, { recursive: true });
  });
});

it('nobody but its owner can read the database or what lies beside it, made today or by an earlier version', async () => {
  const dir = await folder();
  try {
    const path = join(dir, 'arc.db');
    for (const name of [path, `${path}-guard`]) await writeFile(name, '', { mode: 0o644 });
    const store = new SqliteStore({ path });
    const names = await readdir(dir);
    assert.ok(names.includes('arc.db-wal'), names.join(' '));
    for (const name of names) assert.equal((await stat(join(dir, name))).mode & 0o777, 0o600, name);
    await store.close();
  } finally {
    await rm(dir, { recursive: true });
  }
});
