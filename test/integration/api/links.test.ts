import assert from 'node:assert/strict';
import { test } from 'node:test';
import { client } from '../../../src/sdk/index.ts';
import { ACCESS } from '../../../src/server/http/guard/access.ts';
import { ManualClock } from '../../../src/testing/fakes/manual-clock.ts';
import { type Harness, startApi } from './harness.ts';

/** Links for people without a key: one sandbox, what is listed, until they end. */

async function made(h: Harness, request = {}): Promise<{ id: string; other: string; secret: string; link: string }> {
  const create = async () =>
    (
      (await (
        await h.call('POST', '/v1/sandboxes', { json: { template: 'web', labels: { user_id: '42' } } })
      ).json()) as {
        id: string;
      }
    ).id;
  const [id, other] = [await create(), await create()];
  const response = await h.call('POST', `/v1/sandboxes/${id}/links`, { json: request });
  assert.equal(response.status, 201, await response.clone().text());
  const { url, id: link } = (await response.json()) as { url: string; id: string };
  return { id, other, link, secret: new URL(url).hash.slice(1) };
}

test('a link opens its sandbox, shows nothing of how it is filed, and opens no other', async () => {
  await using h = await startApi();
  const { id, other, secret } = await made(h);
  const grant = (await (await h.call('GET', '/v1/link', { key: secret })).json()) as Record<string, unknown>;
  assert.deepEqual(grant.may, ['app', 'terminal', 'logs', 'extend', 'reset']);
  assert.equal(grant.sandbox, id);
  const seen = (await (await h.call('GET', `/v1/sandboxes/${id}`, { key: secret })).json()) as Record<string, unknown>;
  assert.deepEqual([seen.id, seen.owner, seen.labels, seen.node], [id, '', {}, '']);
  assert.equal((await h.call('GET', `/v1/sandboxes/${other}`, { key: secret })).status, 403);
  assert.equal((await h.call('POST', `/v1/sandboxes/${other}/reset`, { key: secret })).status, 403);
});

test('a link can call nothing but what is listed for links', async () => {
  await using h = await startApi();
  const { id, secret } = await made(h);
  const open = ['link', 'events', 'sandboxes/:id', 'sandboxes/:id/terminal', 'sandboxes/:id/logs'];
  const allowed = new Set([
    ...open.map((path) => `GET /v1/${path}`),
    ...['extend', 'reset'].map((verb) => `POST /v1/sandboxes/:id/${verb}`),
  ]);
  for (const [name, access] of Object.entries(ACCESS)) {
    if (access === 'public' || access === 'own' || allowed.has(name)) continue;
    const [method = '', path = ''] = name.split(' ');
    const at = path.replace(':id', id).replaceAll(/:[a-z]+/g, 'ex-aaaa');
    const response = await h.call(method, at, { key: secret, ...(method === 'POST' ? { json: {} } : {}) });
    assert.equal(response.status, 403, name);
  }
});

test('a link does what it was made for and nothing more', async () => {
  await using h = await startApi();
  const { id, secret } = await made(h, { may: ['logs', 'extend'], extendBy: '10m' });
  const post = async (verb: string, json?: unknown) =>
    (await h.call('POST', `/v1/sandboxes/${id}/${verb}`, { key: secret, ...(json ? { json } : {}) })).status;
  assert.equal((await h.call('GET', `/v1/sandboxes/${id}/logs`, { key: secret })).status, 200);
  assert.equal(await post('extend', { by: '10m' }), 200);
  assert.equal(await post('extend', { by: '11m' }), 403);
  assert.equal(await post('reset'), 403);
  await assert.rejects(client({ url: h.base, key: secret }).sandboxes.handle(id).terminal({ cols: 80, rows: 24 }));
});

test('a link ends by time and when it is revoked, and lists without its secret', async () => {
  const clock = new ManualClock();
  await using h = await startApi({ clock });
  const ask = async (secret: string) => (await h.call('GET', '/v1/link', { key: secret })).status;
  const short = await made(h, { for: '1h' });
  assert.equal(await ask(short.secret), 200);
  const listed = (await (await h.call('GET', `/v1/sandboxes/${short.id}/links`)).json()) as { items: object[] };
  assert.equal(listed.items.length, 1);
  assert.ok(!JSON.stringify(listed).includes('arcl_'));
  await clock.advance(3_600_000);
  assert.equal(await ask(short.secret), 401);
  const long = await made(h);
  assert.equal((await h.call('DELETE', `/v1/sandboxes/${long.id}/links/${long.link}`, { key: h.bob })).status, 404);
  assert.equal((await h.call('DELETE', `/v1/sandboxes/${long.id}/links/${long.link}`)).status, 204);
  assert.equal(await ask(long.secret), 401);
  assert.equal((await h.call('DELETE', `/v1/sandboxes/${long.id}/links/${long.link}`)).status, 404);
});

test("nobody makes a link to another owner's sandbox, or for longer than a month", async () => {
  await using h = await startApi();
  const { id } = await made(h);
  assert.equal((await h.call('POST', `/v1/sandboxes/${id}/links`, { key: h.bob, json: {} })).status, 404);
  assert.equal((await h.call('POST', `/v1/sandboxes/${id}/links`, { json: { for: '31d' } })).status, 400);
  assert.equal((await h.call('POST', `/v1/sandboxes/${id}/links`, { json: { may: ['files'] } })).status, 400);
});
