import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unnamed } from '../../../src/server/http/guard/audited.ts';
import { startOverPlane } from './control-plane.ts';
import { startApi, until } from './harness.ts';

interface Entry {
  readonly id: number;
  readonly owner: string;
  readonly key: string;
  readonly from?: string;
  readonly action: string;
  readonly subject?: string;
  readonly outcome: string;
  readonly detail?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

type Over = Awaited<ReturnType<typeof startOverPlane>>;

async function entries({ call }: Over, query = ''): Promise<readonly Entry[]> {
  return (await call('GET', `/v1/audit${query}`)).body.items as Entry[];
}

async function keyOf({ call }: Over, owner: string): Promise<string> {
  const scopes = ['sandboxes:read', 'sandboxes:write'];
  return String((await call('POST', '/v1/keys', { name: owner, owner, scopes })).body.secret);
}

test('every route that changes something has a name in the audit log', () => {
  assert.deepEqual(unnamed(), []);
});

test('every change is written with who asked, from where, and what came of it, the newest first', async () => {
  await using h = await startOverPlane();
  await h.begin();
  const ada = await keyOf(h, 'ada');
  const { body } = await h.call('POST', '/v1/sandboxes', { template: 'web', ttl: '1h' }, ada);
  const id = String(body.id);
  await h.call('POST', `/v1/sandboxes/${id}/extend`, { by: '2h' }, ada);
  await h.call('POST', `/v1/sandboxes/${id}/reset`, undefined, ada);
  await h.call('DELETE', `/v1/sandboxes/${id}`);
  assert.equal((await h.call('PUT', '/v1/quotas/ada', {}, ada)).status, 403);
  await until(async () => (await entries(h, '?action=quota')).length === 1, 'the refusal is written');
  const all = await entries(h);
  assert.deepEqual(
    all.map(({ owner, action, outcome }) => [owner, action, outcome]),
    [
      ['ada', 'quota.set', 'forbidden'],
      ['admin', 'sandbox.remove', 'done'],
      ['ada', 'sandbox.reset', 'done'],
      ['ada', 'sandbox.extend', 'done'],
      ['ada', 'sandbox.create', 'done'],
      ['admin', 'key.create', 'done'],
    ],
  );
  assert.ok(all.every(({ from, key }) => from === '127.0.0.1' && key.startsWith('key-')));
  assert.deepEqual([all[4]?.subject, all[4]?.detail, all[1]?.detail], [id, 'web', 'web of ada']);
  assert.ok(!JSON.stringify(all).includes(ada), 'no secret is in it');
});

test('it is read by admins only, page by page and filtered, and nothing changes it', async () => {
  await using h = await startOverPlane();
  await h.begin();
  const ada = await keyOf(h, 'ada');
  for (let count = 0; count < 5; count++) await h.call('POST', '/v1/sandboxes', { template: 'web' }, ada);
  assert.equal((await h.call('GET', '/v1/audit', undefined, ada)).status, 403);
  const seen: number[] = [];
  let cursor = '';
  for (;;) {
    const { body } = await h.call('GET', `/v1/audit?owner=ada&limit=2${cursor}`);
    seen.push(...(body.items as Entry[]).map(({ id }) => id));
    if (body.nextCursor === undefined) break;
    cursor = `&cursor=${body.nextCursor}`;
  }
  assert.equal(seen.length, 5);
  assert.deepEqual(
    seen,
    [...seen].sort((a, b) => b - a),
  );
  assert.equal((await h.call('GET', `/v1/audit?owner=bob&limit=2${cursor}`)).status, 400, "another list's cursor");
  for (const method of ['DELETE', 'PUT', 'POST', 'PATCH']) {
    assert.equal((await h.call(method, '/v1/audit', method === 'DELETE' ? undefined : {})).status, 405, method);
  }
  assert.equal((await entries(h, '?action=key')).length, 1);
});

test('what is no change of the store is written when it is over: commands, files, tokens, signing in', async () => {
  await using h = await startApi();
  const { id } = h.sandboxes.put('alice');
  await h.call('POST', `/v1/sandboxes/${id}/exec`, { json: { command: ['echo', 'x'] } });
  await h.call('PUT', `/v1/sandboxes/${id}/files?path=/a`, { body: 'x', headers: { 'content-type': 'text/plain' } });
  await h.call('POST', `/v1/sandboxes/${id}/tokens`, { json: {} });
  await h.call('POST', '/v1/session', { key: null, json: { key: h.alice } });
  const list = async () => {
    const response = await h.call('GET', '/v1/audit', { key: h.admin });
    return ((await response.json()) as { items: Entry[] }).items
      .map(({ action, owner }) => `${action} ${owner}`)
      .sort();
  };
  const wanted = ['exec alice', 'file.write alice', 'session.open alice', 'token.create alice'];
  await until(async () => (await list()).length >= wanted.length, 'all are written');
  assert.deepEqual(await list(), wanted);
});

test('who is refused all the time fills neither the log nor the time of the server', async () => {
  await using h = await startApi({ config: { rates: { perOwner: 2, perAddress: 0 } } });
  const statuses = new Map<number, number>();
  for (let asked = 0; asked < 40; asked++) {
    const response = await h.call('PUT', '/v1/quotas/alice', { json: {} });
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    if (response.status === 429) assert.ok(Number(response.headers.get('retry-after')) >= 1);
  }
  assert.ok((statuses.get(429) ?? 0) > 0 && (statuses.get(403) ?? 0) >= 20);
  const audit = (await (await h.call('GET', '/v1/audit', { key: h.admin })).json()) as { items: Entry[] };
  assert.ok(audit.items.length <= 15, `${audit.items.length} refusals are written`);
});

test('what comes without a valid key from one address is slowed down, and a valid key is not', async () => {
  await using h = await startApi({ config: { rates: { perOwner: 0, perAddress: 1 } } });
  const guess = () => h.call('GET', '/v1/sandboxes', { key: 'arc_aaaaaaaaaaaaaaaaaaaaaaaa' });
  const statuses: number[] = [];
  for (let tries = 0; tries < 30; tries++) statuses.push((await guess()).status);
  assert.deepEqual(new Set(statuses), new Set([401, 429]));
  assert.equal((await h.call('POST', '/v1/session', { key: null, json: { key: 'arc_wrongwrongwrong' } })).status, 429);
  assert.equal((await h.call('GET', '/v1/sandboxes')).status, 200);
});

test('what was done to a sandbox is found by its labels, also what was written when it was over', async () => {
  await using h = await startOverPlane();
  await h.begin();
  const made = async (labels: Record<string, string>) =>
    String((await h.call('POST', '/v1/sandboxes', { template: 'web', labels })).body.id);
  const id = await made({ user_id: '42', course: 'web' });
  await made({ user_id: '43' });
  await made({});
  await h.call('POST', `/v1/sandboxes/${id}/tokens`, {});
  await until(async () => (await entries(h, '?action=token')).length === 1, 'the token is written');
  const found = await entries(h, '?label=user_id%3D42');
  assert.deepEqual(
    found.map(({ action, subject }) => [action, subject]),
    [
      ['token.create', id],
      ['sandbox.create', id],
    ],
  );
  assert.deepEqual(found[0]?.labels, { user_id: '42', course: 'web' });
  assert.equal((await entries(h, '?label=user_id')).length, 3);
  assert.equal((await entries(h, '?label=user_id%3D42&label=course%3Dother')).length, 0);
  assert.equal((await h.call('GET', '/v1/audit?label=no%20key')).status, 400);
});
