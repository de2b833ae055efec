import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Compile } from 'typebox/compile';
import { Sandbox } from '../../../src/contract/schemas/sandbox.ts';
import { smoothPlan } from '../../../src/engines/fake/plan.ts';
import { startOverPlane as start } from './control-plane.ts';
import { until } from './harness.ts';

test('health is answered before the control plane has begun, and readiness once it has taken stock', async () => {
  const arc = await start();
  await using _ = arc;
  assert.equal((await arc.call('GET', '/healthz')).status, 200);
  assert.equal((await arc.call('GET', '/readyz')).status, 503);
  await arc.begin();
  assert.equal((await arc.call('GET', '/readyz')).status, 200);
});

test('a sandbox lives its whole life over the API', async () => {
  const arc = await start();
  await using _ = arc;
  await arc.begin();
  const isSandbox = Compile(Sandbox);
  const made = await arc.call('POST', '/v1/sandboxes', { template: 'web', labels: { user_id: '42' }, ttl: '30m' });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.ok(isSandbox.Check(made.body), JSON.stringify(isSandbox.Errors(made.body)));
  const { id } = made.body;
  assert.equal(made.body.url, `http://${id}.localhost`);
  const at = `/v1/sandboxes/${id}`;
  assert.deepEqual((await arc.call('GET', at)).body, made.body);
  const listed = (await arc.call('GET', '/v1/sandboxes?label=user_id=42&state=running')).body as {
    items: { id: string }[];
  };
  assert.deepEqual(
    listed.items.map((one) => one.id),
    [id],
  );
  assert.equal((await arc.call('POST', `${at}/exec`, { command: ['echo', 'hi'] })).body.stdout, 'hi\n');
  assert.equal((await arc.call('POST', `${at}/extend`, { by: '2h' })).status, 200);
  assert.equal((await arc.call('POST', `${at}/restart`)).body.incarnation, 2);
  assert.equal((await arc.call('POST', `${at}/reset`)).body.incarnation, 3);
  assert.equal((await arc.call('DELETE', at)).body.state, 'removed');
  const gone = await arc.call('GET', at);
  assert.deepEqual([gone.status, gone.body.code], [410, 'sandbox_gone']);
  assert.equal((await arc.call('DELETE', at)).status, 200, 'removing again is no error');
  assert.deepEqual(arc.fake.truth(), []);
});

test('an idempotency key makes one sandbox, however often and at once it is used', async () => {
  const arc = await start();
  await using _ = arc;
  await arc.begin();
  const create = (json: unknown) =>
    arc.call('POST', '/v1/sandboxes', json, undefined, { 'idempotency-key': 'order-1' });
  const answers = await Promise.all([1, 2, 3, 4].map(() => create({ template: 'web' })));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 201, 201],
  );
  assert.equal(new Set(answers.map(({ body }) => body.id)).size, 1);
  assert.equal((await create({ template: 'web', cpus: 0.5 })).body.code, 'idempotency_conflict');
});

test('keys keep owners apart', async () => {
  const arc = await start();
  await using _ = arc;
  await arc.begin();
  const scopes = ['sandboxes:read', 'sandboxes:write'];
  const [ada, bob] = await Promise.all(
    ['ada', 'bob'].map(async (owner) =>
      String((await arc.call('POST', '/v1/keys', { name: owner, owner, scopes })).body.secret),
    ),
  );
  const { id } = (await arc.call('POST', '/v1/sandboxes', { template: 'web' }, ada)).body;
  for (const [method, path, json] of [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/restart'],
    ['POST', '/extend', { by: '1h' }],
    ['POST', '/tokens', {}],
    ['POST', '/exec', { command: ['echo'] }],
    ['GET', '/logs'],
    ['GET', '/files?path=/'],
  ] as const) {
    assert.equal((await arc.call(method, `/v1/sandboxes/${id}${path}`, json, bob)).status, 404, `${method} ${path}`);
  }
  assert.equal((await arc.call('GET', `/v1/sandboxes/${id}`, undefined, ada)).status, 200);
  assert.equal((await arc.call('GET', `/v1/sandboxes/${id}`)).status, 200, 'the admin sees it');
  assert.equal((await arc.call('GET', '/v1/keys', undefined, ada)).status, 403);
});

test('what can not be made is refused with its reason and leaves nothing behind', async () => {
  const arc = await start();
  await using _ = arc;
  await arc.begin();
  const create = async (json: unknown) => (await arc.call('POST', '/v1/sandboxes', json)).body.code;
  assert.equal(await create({ template: 'nowhere' }), 'template_not_found');
  assert.equal(await create({ template: 'web', isolation: 'gvisor' }), 'isolation_unavailable');
  arc.fake.plan = { ...smoothPlan, create: () => ({ delayMs: 0, outcome: 'refuse' }) };
  assert.ok(await create({ template: 'web' }));
  assert.deepEqual(arc.fake.truth(), []);
});

test('a client that goes away in the middle of a create leaves nothing behind', async () => {
  const arc = await start();
  await using _ = arc;
  await arc.begin();
  arc.fake.plan = { ...smoothPlan, create: () => ({ delayMs: 300, outcome: 'ok' }) };
  const gone = new AbortController();
  const asking = fetch(`http://127.0.0.1:${arc.port}/v1/sandboxes`, {
    method: 'POST',
    signal: gone.signal,
    headers: { authorization: `Bearer ${arc.admin}`, 'content-type': 'application/json' },
    body: JSON.stringify({ template: 'web' }),
  });
  asking.catch(() => {});
  const list = async () =>
    ((await arc.call('GET', '/v1/sandboxes?state=starting')).body as { items: unknown[] }).items.length;
  await until(async () => (await list()) === 1, 'the sandbox to be starting');
  gone.abort();
  await until(async () => (await list()) === 0 && arc.fake.truth().length === 0, 'the sandbox to be removed');
});

test('wait=0 answers at once with a state that is not yet the last', async () => {
  const arc = await start();
  await using _ = arc;
  await arc.begin();
  arc.fake.plan = { ...smoothPlan, create: () => ({ delayMs: 100, outcome: 'ok' }) };
  const made = await arc.call('POST', '/v1/sandboxes?wait=0', { template: 'web' });
  assert.equal(made.status, 202);
  assert.ok(['queued', 'starting'].includes(String(made.body.state)));
  await until(
    async () => (await arc.call('GET', `/v1/sandboxes/${made.body.id}`)).body.state === 'running',
    'it to run',
  );
});
