import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SqliteStore } from '../../../src/store/sqlite.ts';
import { cli } from '../cli/harness.ts';
import { startOverPlane } from './control-plane.ts';
import { until } from './harness.ts';
import { isSigned, RealReceiver } from './receiver.ts';

type Plane = Awaited<ReturnType<typeof startOverPlane>>;

async function created(arc: Plane, labels: Record<string, string> = {}): Promise<string> {
  const { status, body } = await arc.call('POST', '/v1/sandboxes', { template: 'web', labels });
  assert.equal(status, 201, JSON.stringify(body));
  return String(body.id);
}

const statesOf = (receiver: RealReceiver, id: string) =>
  receiver.got
    .map(({ body }) => body.data as { subject: string; state?: string })
    .filter(({ subject }) => subject === id)
    .map(({ state }) => state);

test('messages are signed, carry what the API shows, and have an id that stays', async () => {
  await using receiver = await RealReceiver.started();
  await using arc = await startOverPlane();
  await arc.begin();
  const { status, body: hook } = await arc.call('POST', '/v1/hooks', {
    ...{ url: receiver.url, events: ['sandbox.running'], labels: ['user_id=42'] },
  });
  assert.equal(status, 201);
  await created(arc, { user_id: '41' });
  const id = await created(arc, { user_id: '42' });
  await until(() => receiver.got.length === 1, 'the message');
  const [message] = receiver.got;
  assert.ok(message && isSigned(message, String(hook.secret)));
  assert.ok(!isSigned({ ...message, text: `${message.text} ` }, String(hook.secret)));
  const data = message.body.data as Record<string, unknown>;
  assert.equal(message.body.type, 'sandbox.running');
  assert.equal(message.body.timestamp, data.time);
  assert.deepEqual([data.subject, data.state, data.labels], [id, 'running', { user_id: '42' }]);
  assert.equal(message.headers['webhook-id'], `${hook.id}.${data.id}`);
  assert.ok(Math.abs(Number(message.headers['webhook-timestamp']) - Date.now() / 1_000) < 120);
  const { body: log } = await arc.call('GET', `/v1/hooks/${hook.id}/deliveries`);
  const [tried] = log.items as Record<string, unknown>[];
  assert.deepEqual(
    [tried?.event, tried?.what, tried?.subject, tried?.outcome],
    [data.id, 'sandbox.running', id, 'taken'],
  );
  const { body: listed } = await arc.call('GET', '/v1/hooks');
  assert.ok(!JSON.stringify(listed).includes(String(hook.secret)), 'the secret is not shown again');
});

test('a receiver that is away while Arc is restarted gets all of it in order, also what came before', async (t) => {
  const folder = mkdtempSync('/tmp/arc-hooks-');
  t.after(() => rmSync(folder, { recursive: true }));
  await using receiver = await RealReceiver.started();
  const open = () => new SqliteStore({ path: join(folder, 'arc.db') });
  let id = '';
  {
    await using store = Object.assign(open(), { [Symbol.asyncDispose]: () => store.close() });
    await using arc = await startOverPlane({ store });
    await arc.begin();
    await arc.call('POST', '/v1/hooks', { url: receiver.url });
    await receiver.stop();
    id = await created(arc);
    await until(async () => {
      const { body } = await arc.call('GET', '/v1/hooks');
      return (body.items as { failed: number }[]).some(({ failed }) => failed > 1);
    }, 'two tries that fail');
  }
  await using store = Object.assign(open(), { [Symbol.asyncDispose]: () => store.close() });
  await using arc = await startOverPlane({ store });
  await arc.begin();
  await arc.call('DELETE', `/v1/sandboxes/${id}`);
  await receiver.start();
  await until(() => statesOf(receiver, id).includes('removed'), 'the last message');
  const seen = statesOf(receiver, id);
  // The fake below has forgotten it, so whether it is made again in between is not ours to say; order is.
  assert.deepEqual(seen.slice(0, 3), ['queued', 'starting', 'running']);
  assert.equal(seen.at(-1), 'removed');
});

test('a receiver that wants to wait is let wait, and a redirect is not followed', async () => {
  await using receiver = await RealReceiver.started();
  await using elsewhere = await RealReceiver.started();
  await using arc = await startOverPlane();
  await arc.begin();
  const { body: hook } = await arc.call('POST', '/v1/hooks', { url: receiver.url });
  receiver.status = 307;
  receiver.headers = { location: elsewhere.url };
  const { body: redirected } = await arc.call('POST', `/v1/hooks/${hook.id}/test`);
  assert.deepEqual([redirected.ok, redirected.detail], [false, 'it answered 307']);
  assert.equal(elsewhere.got.length, 0);
  receiver.status = 429;
  receiver.headers = { 'retry-after': '3000' };
  await created(arc);
  const [seen] = await (async () => {
    let items: { state: string; retryAt?: string }[] = [];
    await until(async () => {
      items = (await arc.call('GET', '/v1/hooks')).body.items as typeof items;
      return items[0]?.state === 'failing';
    }, 'a try that fails');
    return items;
  })();
  assert.ok(Date.parse(seen?.retryAt ?? '') > Date.now() + 2_000_000);
});

test('hooks are the operators’ alone', async () => {
  await using arc = await startOverPlane();
  await arc.begin();
  const { body: key } = await arc.call('POST', '/v1/keys', {
    ...{ name: 'ada', owner: 'ada', scopes: ['sandboxes:read', 'sandboxes:write', 'templates:write'] },
  });
  for (const [method, path, body] of [
    ['GET', '/v1/hooks', undefined],
    ['POST', '/v1/hooks', { url: 'http://169.254.169.254/latest/meta-data' }],
    ['DELETE', '/v1/hooks/hk-aaaa', undefined],
    ['POST', '/v1/hooks/hk-aaaa/test', undefined],
  ] as const) {
    assert.equal((await arc.call(method, path, body, String(key.secret))).status, 403, `${method} ${path}`);
  }
  for (const url of ['ftp://x', 'http://user:pass@x/', 'x', `http://x/${'a'.repeat(3_000)}`]) {
    assert.equal((await arc.call('POST', '/v1/hooks', { url })).status, 400, url);
  }
  assert.equal((await arc.call('POST', '/v1/hooks', { url: 'http://x', events: ['nonsense'] })).status, 400);
  assert.equal((await arc.call('DELETE', '/v1/hooks/hk-aaaa')).body.code, 'hook_not_found');
});

test('the command line adds, lists, tests and removes hooks', async () => {
  await using receiver = await RealReceiver.started();
  await using arc = await startOverPlane();
  await arc.begin();
  const api = { base: `http://127.0.0.1:${arc.port}`, admin: arc.admin };
  const added = await cli(api, [
    'hook',
    'add',
    receiver.url,
    '--event',
    'sandbox.failed',
    '--event',
    'alert',
    '--slack',
  ]);
  assert.equal(added.code, 0, added.err);
  const id = /hk-[a-z2-7]+/.exec(added.out)?.[0] ?? '';
  assert.match(added.out, /whsec_/);
  assert.match((await cli(api, ['hook', 'ls'])).out, new RegExp(`${id} +ok +0 +0 +0 +sandbox.failed,alert`));
  assert.match((await cli(api, ['hook', 'test', id])).out, /^it works: it was taken/);
  assert.match(String(receiver.got[0]?.body.text), /test by Arc/);
  receiver.status = 500;
  const failed = await cli(api, ['hook', 'test', id]);
  assert.equal(failed.code, 1);
  assert.match(failed.out, /it does not work: it answered 500/);
  assert.equal((await cli(api, ['hook', 'rm', id])).code, 0);
  assert.equal((await cli(api, ['hook', 'ls', '-q'])).out, '');
});

test('an alert reaches a receiver in Slack’s shape and a signed one, and is over for both', async () => {
  await using slack = await RealReceiver.started();
  await using signed = await RealReceiver.started();
  await using arc = await startOverPlane();
  await arc.begin();
  await arc.call('POST', '/v1/hooks', { url: slack.url, format: 'slack', events: ['alert'] });
  const { body: hook } = await arc.call('POST', '/v1/hooks', { url: signed.url, events: ['alert'] });
  for (let losses = 0; losses < 3; losses++) arc.plane.vitals.helperLost();
  await until(() => slack.got.length > 0 && signed.got.length > 0, 'both messages');
  assert.match(String(slack.got[0]?.body.text), /helper-restarts\* the helper of fake was lost .* 3 times/);
  assert.ok(signed.got[0] && isSigned(signed.got[0], String(hook.secret)));
  const { alerts } = signed.got[0].body.data as { alerts: { name: string; status: string }[] };
  assert.deepEqual(
    alerts.map(({ name, status }) => [name, status]),
    [['helper-restarts', 'firing']],
  );
  const { body: now } = await arc.call('GET', '/v1/alerts');
  assert.equal((now.items as { name: string }[])[0]?.name, 'helper-restarts');
});
