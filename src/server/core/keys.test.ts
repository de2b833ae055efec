import assert from 'node:assert/strict';
import { it } from 'node:test';
import { realRng } from '../../kit/real.ts';
import { MemoryStore } from '../../store/memory.ts';
import { ManualClock } from '../../testing/fakes/manual-clock.ts';
import type { Caller } from '../service.ts';
import { KeyStore } from './keys.ts';

const admin: Caller = { owner: 'root', keyId: 'k', scopes: ['admin'] };
const subject = () => {
  const store = new MemoryStore();
  return { store, keys: new KeyStore({ store, clock: new ManualClock(), rng: realRng }) };
};
const request = { name: 'ci', owner: 'ada', scopes: ['sandboxes:read'] } as const;

it('a key lets its holder in as its owner with its scopes, until it is revoked', async () => {
  const { keys } = subject();
  const { key, secret } = await keys.create(admin, request);
  assert.match(secret, /^arc_[a-z2-7]{32}$/);
  assert.deepEqual(await keys.authenticate(secret), { owner: 'ada', keyId: key.id, scopes: ['sandboxes:read'] });
  assert.deepEqual(await keys.list(admin), [key]);
  await keys.revoke(admin, key.id);
  await assert.rejects(keys.authenticate(secret), { code: 'unauthorized' });
  await assert.rejects(keys.revoke(admin, key.id), { code: 'key_not_found' });
});

it('a key that was let in often is not let in again once it is revoked, not even by a look that began before', async () => {
  const { keys, store } = subject();
  const { key, secret } = await keys.create(admin, request);
  for (let times = 0; times < 3; times++) await keys.authenticate(secret);
  await keys.revoke(admin, key.id);
  await assert.rejects(keys.authenticate(secret), { code: 'unauthorized' });
  const second = await keys.create(admin, request);
  const list = store.list.bind(store);
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  store.list = async (query) => {
    const found = await list(query);
    await held;
    return found as never;
  };
  const slow = keys.authenticate(second.secret);
  await keys.revoke(admin, second.key.id);
  letGo();
  await slow;
  await assert.rejects(keys.authenticate(second.secret), { code: 'unauthorized' });
});

it('the secret is kept nowhere, nor told by an event', async () => {
  const { keys, store } = subject();
  const { secret } = await keys.create(admin, request);
  const kept = [await store.list({ kind: 'key', limit: 10 }), await store.events(0, 10)];
  assert.ok(!JSON.stringify(kept).includes(secret.slice(4)));
});

it('no other secret is let in, however odd', async () => {
  const { keys } = subject();
  await keys.create(admin, request);
  for (const secret of ['', 'arc_', 'arc_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'x'.repeat(1e6), "' OR 1=1"]) {
    await assert.rejects(keys.authenticate(secret), { code: 'unauthorized' });
  }
});

it('only an admin makes, sees and revokes keys, and a request with faults hears of all of them', async () => {
  const { keys } = subject();
  const other: Caller = { owner: 'ada', keyId: 'k', scopes: ['sandboxes:write', 'templates:write'] };
  await assert.rejects(keys.create(other, request), { code: 'forbidden' });
  await assert.rejects(keys.list(other), { code: 'forbidden' });
  await assert.rejects(keys.revoke(other, 'key-x'), { code: 'forbidden' });
  await assert.rejects(keys.create(admin, { name: '', owner: '-', scopes: [] }), (error) => {
    assert.ok(error instanceof Error);
    assert.match(error.message, /name.*owner.*scopes/);
    return true;
  });
});

it('the admin’s secret is known again after every start, and once only', async () => {
  const { keys } = subject();
  const secret = `arc_${'a'.repeat(32)}`;
  await keys.ensureAdmin(secret);
  await keys.ensureAdmin(secret);
  const caller = await keys.authenticate(secret);
  assert.deepEqual(caller.scopes, ['admin']);
  assert.equal((await keys.list(caller)).length, 1);
  await assert.rejects(keys.ensureAdmin('hunter2'), { code: 'invalid_config' });
});
