import assert from 'node:assert/strict';
import { test } from 'node:test';
import WebSocket from 'ws';
import { ManualClock } from '../../../src/testing/fakes/manual-clock.ts';
import { type Harness, startApi } from './harness.ts';

/** Signing in to the console, and what keeps every other page from using the cookie. */

interface SignedIn {
  readonly cookie: string;
  readonly csrf: string;
  readonly flags: string;
}

async function signIn(h: Harness, headers: Record<string, string> = {}): Promise<SignedIn> {
  const origin = h.base;
  const response = await h.call('POST', '/v1/session', {
    ...{ key: null, json: { key: h.alice } },
    headers: { origin, 'sec-fetch-site': 'same-origin', ...headers },
  });
  assert.equal(response.status, 201, await response.clone().text());
  const flags = response.headers.get('set-cookie') ?? '';
  const { csrf } = (await response.json()) as { csrf: string };
  return { cookie: flags.split(';', 1)[0] ?? '', csrf, flags };
}

const status = async (response: Promise<Response>): Promise<number> => (await response).status;

test('a key signs in, and the cookie is for this server alone', async () => {
  await using h = await startApi();
  const { flags } = await signIn(h);
  for (const flag of ['HttpOnly', 'SameSite=Strict', 'Path=/', 'Max-Age=43200']) assert.ok(flags.includes(flag), flag);
  assert.match(flags, new RegExp(`^arc_session${h.port}=[a-z2-7]{32};`));
  assert.ok(!flags.includes('Secure'));
  const wrong = await h.call('POST', '/v1/session', { key: null, json: { key: 'arc_nobody' } });
  assert.equal(wrong.status, 401);
  assert.equal(wrong.headers.get('set-cookie'), null);
});

test('behind TLS the cookie can be set by no other name of the domain', async () => {
  await using h = await startApi({ config: { hostNames: ['arc.example'] } });
  const headers = { host: 'arc.example', origin: 'https://arc.example', 'sec-fetch-site': 'same-origin' };
  const { request } = await import('node:http');
  const flags = await new Promise<string>((resolve) => {
    const outgoing = request(`${h.base}/v1/session`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
    });
    outgoing.on('response', (answer) => resolve(answer.headers['set-cookie']?.[0] ?? `${answer.statusCode}`));
    outgoing.end(JSON.stringify({ key: h.alice }));
  });
  assert.match(flags, /^__Host-arc_session=[a-z2-7]{32}; Path=\/; .*Secure$/);
});

test('the cookie speaks for pages of our own origin only', async () => {
  await using h = await startApi();
  const { cookie, csrf } = await signIn(h);
  const get = (headers: Record<string, string>) =>
    h.call('GET', '/v1/info', { key: null, headers: { cookie, ...headers } });
  const post = (headers: Record<string, string>) =>
    h.call('POST', '/v1/sandboxes', { key: null, json: { template: 'web' }, headers: { cookie, ...headers } });
  assert.equal(await status(get({ 'arc-csrf': csrf })), 200);
  assert.equal(await status(get({ 'sec-fetch-site': 'same-origin' })), 200);
  assert.equal(await status(get({})), 403);
  for (const site of ['same-site', 'cross-site', 'none']) {
    assert.equal(await status(get({ 'sec-fetch-site': site, 'arc-csrf': csrf })), 403, site);
  }
  assert.equal(await status(post({ 'arc-csrf': csrf, origin: h.base })), 201);
  assert.equal(await status(post({ origin: h.base, 'sec-fetch-site': 'same-origin' })), 403);
  assert.equal(await status(post({ 'arc-csrf': 'a'.repeat(26) })), 403);
  const foreign = ['http://sb-abcd.localhost:7780', 'http://127.0.0.1:1', 'null'];
  for (const origin of foreign) assert.equal(await status(post({ 'arc-csrf': csrf, origin })), 403, origin);
});

test('signing in, asking who is signed in and signing out are closed to pages of other origins', async () => {
  await using h = await startApi();
  const { cookie } = await signIn(h);
  const foreign = { origin: 'http://evil.example', 'sec-fetch-site': 'cross-site' };
  assert.equal(
    await status(h.call('POST', '/v1/session', { key: null, json: { key: h.alice }, headers: foreign })),
    403,
  );
  assert.equal(await status(h.call('GET', '/v1/session', { key: null, headers: { cookie, ...foreign } })), 403);
  assert.equal(await status(h.call('DELETE', '/v1/session', { key: null, headers: { cookie, ...foreign } })), 403);
  assert.equal(await status(h.call('GET', '/v1/session', { key: null, headers: { cookie } })), 200);
});

test('on a name that shares its site with the sandboxes nobody signs in, and a cookie counts for nothing', async () => {
  await using h = await startApi();
  const { cookie, csrf } = await signIn(h);
  const base = `http://localhost:${h.port}`;
  const headers = { 'content-type': 'application/json' };
  const tried = await fetch(`${base}/v1/session`, { method: 'POST', headers, body: JSON.stringify({ key: h.alice }) });
  assert.equal(tried.status, 421);
  assert.equal((await fetch(`${base}/v1/info`, { headers: { cookie, 'arc-csrf': csrf } })).status, 401);
  assert.equal((await fetch(`${base}/v1/info`, { headers: { authorization: `Bearer ${h.alice}` } })).status, 200);
});

test('a WebSocket of the console brings the token, and a page of another origin has none', async () => {
  await using h = await startApi();
  const { cookie, csrf } = await signIn(h);
  const { id } = (await (await h.call('POST', '/v1/sandboxes', { json: { template: 'web' } })).json()) as {
    id: string;
  };
  const open = (protocols: string[], origin: string) =>
    new Promise<string>((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${h.port}/v1/sandboxes/${id}/logs`, protocols, {
        headers: { cookie, origin },
      });
      socket.on('open', () => {
        resolve('open');
        socket.terminate();
      });
      socket.on('error', (error) => resolve(/\d{3}/.exec(error.message)?.[0] ?? error.message));
    });
  assert.equal(await open(['arc.v1', `csrf.${csrf}`], h.base), 'open');
  assert.equal(await open(['arc.v1'], h.base), '403');
  assert.equal(await open(['arc.v1', `csrf.${csrf}`], 'http://sb-abcd.localhost:7780'), '403');
});

test('a session ends by signing out, by time, and with its key', async () => {
  const clock = new ManualClock();
  await using h = await startApi({ clock });
  const ask = ({ cookie, csrf }: SignedIn) =>
    status(h.call('GET', '/v1/info', { key: null, headers: { cookie, 'arc-csrf': csrf } }));
  const left = await signIn(h);
  assert.equal(await ask(left), 200);
  const out = await h.call('DELETE', '/v1/session', { key: null, headers: { cookie: left.cookie } });
  assert.match(out.headers.get('set-cookie') ?? '', /Max-Age=0/);
  assert.equal(await ask(left), 401);
  const old = await signIn(h);
  await clock.advance(12 * 3_600_000);
  assert.equal(await ask(old), 401);
  const revoked = await signIn(h);
  const { id } = (await h.keys.list()).find(({ owner }) => owner === 'alice') ?? { id: '' };
  await h.keys.revoke({ owner: 'root', keyId: 'k', scopes: ['admin'] }, id);
  assert.equal(await ask(revoked), 401);
});
