import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startOverPlane } from './control-plane.ts';

async function withOwner(scopes = ['sandboxes:read', 'sandboxes:write']) {
  const h = await startOverPlane();
  await h.begin();
  const key = async (owner: string) => {
    const made = await h.call('POST', '/v1/keys', { name: owner, owner, scopes });
    return String(made.body.secret);
  };
  return { h, ada: await key('ada'), bob: await key('bob') };
}

test('a quota that an admin sets holds for its owner at once, over HTTP', async () => {
  const { h, ada, bob } = await withOwner();
  await using _ = h;
  const set = await h.call('PUT', '/v1/quotas/ada', { running: 2, memory: '1GiB', createdPerMinute: 'none' });
  assert.deepEqual(set.body, {
    owner: 'ada',
    own: { running: 2, memory: '1GiB', createdPerMinute: 'none' },
    limits: { running: 2, memory: '1GiB' },
    used: { running: 0, total: 0, memory: '0B' },
  });
  const create = (key: string) => h.call('POST', '/v1/sandboxes', { template: 'web' }, key);
  const answers = await Promise.all(Array.from({ length: 12 }, () => create(ada)));
  assert.equal(answers.filter(({ status }) => status === 201).length, 2);
  const refused = answers.find(({ status }) => status === 429);
  assert.deepEqual([refused?.body.code, refused?.body.quota, refused?.body.most], ['quota_exceeded', 'running', 2]);
  assert.equal((await create(bob)).status, 201);
  const own = await h.call('GET', '/v1/quotas/ada', undefined, ada);
  assert.deepEqual((own.body.used as { running: number }).running, 2);
  assert.equal((await h.call('GET', '/v1/quotas/ada', undefined, bob)).status, 403);
  assert.equal((await h.call('PUT', '/v1/quotas/ada', {}, ada)).status, 403);
  assert.equal(((await h.call('GET', '/v1/quotas')).body.items as unknown[]).length, 1);
  assert.equal((await h.call('DELETE', '/v1/quotas/ada')).status, 204);
  assert.equal((await create(ada)).status, 201);
});

test('a create that comes too often is told when to come again', async () => {
  const { h, ada } = await withOwner();
  await using _ = h;
  await h.call('PUT', '/v1/quotas/ada', { createdPerMinute: 1 });
  const create = () =>
    fetch(`http://127.0.0.1:${h.port}/v1/sandboxes`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ada}`, 'content-type': 'application/json' },
      body: JSON.stringify({ template: 'web' }),
    });
  assert.equal((await create()).status, 201);
  const refused = await create();
  assert.equal(refused.status, 429);
  const seconds = Number(refused.headers.get('retry-after'));
  assert.ok(seconds >= 1 && seconds <= 60, String(seconds));
  assert.equal(((await refused.json()) as { code: string }).code, 'rate_limited');
});

test('a quota with a member that is not known, or no number, is refused', async () => {
  const { h } = await withOwner();
  await using _ = h;
  for (const body of [{ run: 1 }, { running: -1 }, { running: 1.5 }, { memory: 'much' }, { total: 'all' }]) {
    assert.equal((await h.call('PUT', '/v1/quotas/ada', body)).status, 400, JSON.stringify(body));
  }
  assert.equal((await h.call('PUT', `/v1/quotas/${'a'.repeat(65)}`, {})).status, 400);
});
