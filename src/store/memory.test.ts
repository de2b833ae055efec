import assert from 'node:assert/strict';
import { it } from 'node:test';
import { storeConformance } from '../testing/conformance/store.ts';
import { MemoryStore } from './memory.ts';

storeConformance('MemoryStore', async () => {
  const store = new MemoryStore();
  return { store, dispose: () => store.close() };
});

it('a commit that is told to fail before writes nothing, one that fails after has written all', async () => {
  let when: 'before' | 'after' = 'before';
  const store = new MemoryStore({ fault: () => ({ when, error: new Error('as told') }) });
  const write = [{ op: 'put', kind: 'thing', id: 'a', value: 1 }] as const;
  await assert.rejects(store.commit(write), /as told/);
  assert.equal(await store.count({ kind: 'thing' }), 0);
  when = 'after';
  await assert.rejects(store.commit(write), /as told/);
  assert.equal(await store.count({ kind: 'thing' }), 1);
});
