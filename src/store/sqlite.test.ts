import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { ArcError, type ErrorCode } from '../contract/errors.ts';
import { storeConformance } from '../testing/conformance/store.ts';
import { SqliteStore } from './sqlite.ts';

const folder = () => mkdtemp(join(tmpdir(), 'arc-store-'));
const isCode = (code: ErrorCode) => (error: unknown) => error instanceof ArcError && error.code === code;

storeConformance('SqliteStore', async () => {
  const dir = await folder();
  const path = join(dir, 'arc.db');
  const stores = [new SqliteStore({ path })];
  const first = stores[0] as SqliteStore;
  return {
    store: first,
    reopen: async () => {
      const store = new SqliteStore({ path });
      stores.push(store);
      return store;
    },
    dispose: async () => {
      for (const store of stores) await store.close();
      await rm(dir, { recursive: true });
    },
  };
});

describe('SqliteStore on a bad day', () => {
  it('says disk_full when the database can not grow, keeps what it had and goes on when there is room', async () => {
    const dir = await folder();
    const path = join(dir, 'arc.db');
    const store = new SqliteStore({ path, maxBytes: 256 * 1024 });
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

  it('refuses a second store on the same database while the first is open', async () => {
    const dir = await folder();
    const path = join(dir, 'arc.db');
    const store = new SqliteStore({ path });
    assert.throws(() => new SqliteStore({ path, busyMs: 10 }), isCode('data_dir_locked'));
    await store.close();
    await new SqliteStore({ path, busyMs: 10 }).close();
    await rm(dir, { recursive: true });
  });

  it('refuses a database of a newer schema and leaves it as it is', async () => {
    const dir = await folder();
    const path = join(dir, 'arc.db');
    await new SqliteStore({ path }).close();
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
