import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startOverPlane as start } from './control-plane.ts';

const template = (name: string, network: unknown) => ({
  ...{ name, root: { builtin: 'shell' }, command: ['/web'], network },
});

async function world() {
  const arc = await start();
  await arc.begin();
  const made = await arc.call('POST', '/v1/templates', template('listed', { allow: ['*.example.org', '8.8.8.0/24'] }));
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const key = await arc.call('POST', '/v1/keys', {
    ...{ name: 'k', owner: 'ann', scopes: ['sandboxes:read', 'sandboxes:write', 'templates:read'] },
  });
  return { arc, ann: key.body.secret as string };
}

test('the network of a sandbox is narrowed and opened again while it runs, up to its template, and told as an event', async () => {
  const { arc, ann } = await world();
  await using _ = arc;
  const created = await arc.call('POST', '/v1/sandboxes', { template: 'listed' }, ann);
  assert.equal(created.status, 201, JSON.stringify(created.body));
  const { incarnation } = created.body;
  const id = String(created.body.id);
  const at = `/v1/sandboxes/${id}/network`;
  const narrowed = await arc.call('PATCH', at, { network: { allow: ['API.example.org'], ports: [443] } }, ann);
  assert.equal(narrowed.status, 200, JSON.stringify(narrowed.body));
  assert.deepEqual(narrowed.body.network, { allow: ['api.example.org'], ports: ['443'] });
  assert.equal(narrowed.body.incarnation, incarnation, 'it was not started again');
  assert.deepEqual(arc.fake.networks.get(id), { allow: ['api.example.org'], ports: ['443'] });
  assert.equal((await arc.call('PATCH', at, { network: 'none' }, ann)).body.network, 'none');
  assert.equal((await arc.call('PATCH', at, { network: { allow: ['8.8.8.8'] } }, ann)).status, 200);
  const beyond = await arc.call('PATCH', at, { network: 'public' }, ann);
  assert.deepEqual([beyond.status, beyond.body.code], [403, 'forbidden']);
  assert.deepEqual(arc.fake.networks.get(id), { allow: ['8.8.8.8/32'] });
  assert.equal((await arc.call('PATCH', at, { network: 'public' })).status, 200, 'who may write templates may open it');
  assert.deepEqual((await arc.call('GET', at, undefined, ann)).body.network, 'public');
});

test('a network that is refused to everybody is refused in a template and in a change, with the setting that opens it', async () => {
  const { arc } = await world();
  await using _ = arc;
  for (const allow of [['10.1.2.3'], ['169.254.169.254/32'], ['fd00::1'], ['nodots'], ['example.org', '1.2.3.0/8']]) {
    const answer = await arc.call('POST', '/v1/templates', template('bad', { allow }));
    assert.equal(answer.status, 400, JSON.stringify(answer.body));
  }
  const id = String((await arc.call('POST', '/v1/sandboxes', { template: 'listed' })).body.id);
  const answer = await arc.call('PATCH', `/v1/sandboxes/${id}/network`, { network: { allow: ['192.168.1.0/24'] } });
  assert.equal(answer.status, 400);
  assert.match(String(answer.body.detail), /network\.open/);
});

test('another owner and a key that may only read change nothing', async () => {
  const { arc, ann } = await world();
  await using _ = arc;
  const id = String((await arc.call('POST', '/v1/sandboxes', { template: 'listed' })).body.id);
  const at = `/v1/sandboxes/${id}/network`;
  assert.equal((await arc.call('PATCH', at, { network: 'none' }, ann)).status, 404);
  assert.equal((await arc.call('GET', at, undefined, ann)).status, 404);
  const reader = await arc.call('POST', '/v1/keys', { name: 'r', owner: 'admin', scopes: ['sandboxes:read'] });
  assert.equal((await arc.call('PATCH', at, { network: 'none' }, String(reader.body.secret))).status, 403);
});

test('a range that the operator opened may be named, and metadata services never', async () => {
  const arc = await start({ options: { networkOpen: ['10.0.0.0/8', '100.64.0.0/10'] } });
  await using _ = arc;
  await arc.begin();
  const add = (name: string, allow: string[]) => arc.call('POST', '/v1/templates', template(name, { allow }));
  assert.equal((await add('inner', ['10.1.0.0/16'])).status, 201);
  assert.equal((await add('meta', ['100.100.100.200'])).status, 400);
});
