import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { ERRORS } from '../../../src/contract/errors.ts';
import { errorsPage, generateOpenapi } from '../../../src/server/http/index.ts';
import { startApi, until } from './harness.ts';

test('the checked-in OpenAPI document is the one that the routes make, and the one that is served', async () => {
  const made = await generateOpenapi();
  const held: unknown = JSON.parse(
    await readFile(new URL('../../../docs/reference/openapi.json', import.meta.url), 'utf8'),
  );
  assert.deepEqual(held, made, 'write it again with `./arc dev reference`');
  assert.equal(made.openapi, '3.1.0');
  const h = await startApi();
  await using _ = h;
  assert.deepEqual(await (await h.call('GET', '/openapi.json', { key: null })).json(), made);
});

test('every schema of the document that is referred to is there, and every operation says who may call it', async () => {
  const document = (await generateOpenapi()) as {
    components: { schemas: Record<string, unknown> };
    paths: Record<string, Record<string, { summary?: string; security?: unknown }>>;
  };
  for (const [, name] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    assert.ok(name !== undefined && name in document.components.schemas, name);
  }
  assert.ok(!JSON.stringify(document).includes('"$id"'));
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      assert.ok(operation.summary, `${method} ${path} has a summary`);
      // Who signs in to the console has nothing to show yet but the key in the body.
      const guarded = path.startsWith('/v1/') && path !== '/v1/session';
      assert.equal(operation.security !== undefined, guarded, `${method} ${path}`);
    }
  }
});

test('the page of errors is held equal to the registry', async () => {
  const held = await readFile(new URL('../../../docs/reference/errors.md', import.meta.url), 'utf8');
  assert.equal(held, errorsPage(ERRORS), 'write it again with `./arc dev reference`');
});

test('the readable page loads everything from this server and is bound to that by its policy', async () => {
  const h = await startApi();
  await using _ = h;
  const page = await h.call('GET', '/docs/', { key: null });
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'self'/);
  const html = await page.text();
  const sources = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source ?? '');
  assert.ok(sources.length > 3);
  for (const source of sources) {
    assert.ok(!/^(https?:)?\/\//.test(source), source);
    const loaded = await h.call('GET', new URL(source, `${h.base}/docs/`).pathname, { key: null });
    assert.equal(loaded.status, 200, source);
    await loaded.body?.cancel();
  }
});

test('metrics count requests by route, sandboxes by state and starts, each server for itself', async () => {
  const [h, other] = [await startApi(), await startApi()];
  await using _ = h;
  await using _other = other;
  await h.call('POST', '/v1/sandboxes', { json: { template: 'whoami' } });
  h.sandboxes.put('bob', { state: 'stopped' });
  await h.call('GET', '/v1/sandboxes/sb-zzzz');
  await h.call('GET', '/nope/at/all');
  const text = await (await h.call('GET', '/metrics', { key: null })).text();
  for (const line of [
    'arc_http_requests_total{method="POST",route="/v1/sandboxes",status="201"} 1',
    'arc_http_requests_total{method="GET",route="/v1/sandboxes/:id",status="404"} 1',
    'arc_http_requests_total{method="GET",route="none",status="404"} 1',
    'arc_sandboxes{state="running"} 1',
    'arc_sandboxes{state="stopped"} 1',
    'arc_sandbox_start_seconds_count{isolation="container"} 1',
  ]) {
    assert.ok(text.includes(line), line);
  }
  assert.ok(!text.includes('sb-') && !text.includes('alice'), 'no ids and no owners');
  assert.ok(!(await (await other.call('GET', '/metrics')).text()).includes('/v1/sandboxes'));
});

test('info says what the server is and who the key is', async () => {
  const h = await startApi();
  await using _ = h;
  const info = (await (await h.call('GET', '/v1/info')).json()) as Record<string, unknown>;
  assert.deepEqual(
    [info.version, info.domain, info.edge, info.owner],
    ['0.1.0', 'localhost', 'http://127.0.0.1:7780', 'alice'],
  );
  const nodes = (await (await h.call('GET', '/v1/nodes')).json()) as { items: { levels: unknown[] }[] };
  assert.equal(nodes.items[0]?.levels.length, 1);
});

test('HEAD answers as GET without a body, and a connection carries many requests', async () => {
  const h = await startApi();
  await using _ = h;
  const head = await h.call('HEAD', '/v1/sandboxes');
  assert.deepEqual([head.status, await head.text()], [200, '']);
  const text = await new Promise<string>((resolve, reject) => {
    let all = '';
    const ask = (last: boolean) =>
      `GET /healthz HTTP/1.1\r\nHost: localhost\r\n${last ? 'Connection: close\r\n' : ''}\r\n`;
    const socket = connect(h.port, '127.0.0.1', () => socket.write(ask(false) + ask(false) + ask(true)));
    socket.on('data', (data) => {
      all += data.toString();
    });
    socket.on('end', () => resolve(all));
    socket.on('error', reject);
  });
  assert.equal(text.split('HTTP/1.1 200 OK').length - 1, 3);
});

test('a close ends streams, lets a request under way finish, refuses what is new and waits for nothing else', async () => {
  const h = await startApi();
  const { id } = h.sandboxes.put('alice');
  const events = await h.call('GET', '/v1/events');
  const logs = await h.call('GET', `/v1/sandboxes/${id}/logs?follow=true`);
  const socket = new WebSocket(`ws://127.0.0.1:${h.port}/v1/sandboxes/${id}/exec`, ['arc.v1', `bearer.${h.alice}`]);
  const closed = new Promise<number>((resolve) => socket.once('close', resolve));
  socket.once('open', () => socket.send(JSON.stringify({ command: ['wait'] })));
  await until(() => h.sandboxes.parts.execs.length === 1, 'the command to start');
  const asking = h.call('POST', `/v1/sandboxes/${id}/exec`, { json: { command: ['wait'] } });
  await until(() => h.sandboxes.parts.execs.length === 2, 'the second command to start');
  // A connection that asks for nothing holds nothing up.
  const silent = connect(h.port, '127.0.0.1');
  silent.on('error', () => {});
  // A request whose headers are half sent is answered when they are whole.
  const late = connect(h.port, '127.0.0.1');
  let answers = '';
  late.on('error', () => {});
  late.on('data', (data) => {
    answers += data.toString();
  });
  late.write('GET /v1/info HTTP/1.1\r\nHost: localhost\r\n');
  await until(() => late.readyState === 'open' && silent.readyState === 'open', 'both connections to open');
  await h.call('GET', '/healthz');

  const closing = h.api.close();
  assert.match(await events.text(), /retry/);
  assert.equal(await logs.text(), '');
  assert.equal(await closed, 1001);
  late.write('\r\n');
  await until(() => answers.includes('}'), 'an answer to the late request');
  assert.match(answers, /^HTTP\/1\.1 503 [\s\S]*connection: close[\s\S]*"unavailable"/i);
  h.sandboxes.parts.execs[1]?.end({ code: 0 });
  assert.equal((await asking).status, 200);
  const before = performance.now();
  await closing;
  assert.ok(performance.now() - before < 5_000);
  await assert.rejects(h.call('GET', '/healthz'));
  silent.destroy();
  late.destroy();
});
