import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { ACCESS, type Access } from '../../../src/server/http/guard/access.ts';
import { type CallOptions, type Harness, startApi } from './harness.ts';

/** Routes of the table with a real id in the place of each parameter, and a body or query that passes the checks. */
function* asked(
  ids: Record<string, string>,
): Generator<{ route: string; method: string; path: string; access: Access; options: CallOptions }> {
  const bodies: Record<string, unknown> = {
    'POST /v1/sandboxes': { template: 'whoami' },
    'POST /v1/sandboxes/:id/exec': { command: ['echo', 'x'] },
    'POST /v1/sandboxes/:id/extend': { by: '5m' },
    'PATCH /v1/sandboxes/:id/network': { network: 'none' },
    'POST /v1/sandboxes/:id/links': {},
    'POST /v1/sandboxes/:id/tokens': {},
    'POST /v1/sandboxes/:id/execs/:exec/signal': { signal: 'SIGTERM' },
    'POST /v1/templates': { name: 'other', root: { builtin: 'whoami' } },
    'PUT /v1/secrets/:name': { value: 'x' },
    'PUT /v1/quotas/:owner': { running: 3 },
    'POST /v1/keys': { name: 'k', owner: 'alice', scopes: ['sandboxes:read'] },
  };
  for (const [route, access] of Object.entries(ACCESS)) {
    const [method = '', pattern = ''] = route.split(' ');
    const path = pattern.replace('*', '').replace(/:([a-z]+)/g, (_, name: string) => ids[name] ?? 'x');
    const query = pattern.includes('/files') ? '?path=/a' : '';
    const json = bodies[route];
    yield { route, method, path: path + query, access, options: json === undefined ? {} : { json } };
  }
}

async function harnessWithSandbox(): Promise<{ h: Harness; ids: Record<string, string> }> {
  const h = await startApi();
  const { id } = h.sandboxes.put('alice');
  return { h, ids: { id, exec: 'ex-aaaa', name: 'whoami', owner: 'alice' } };
}

async function codeOf(response: Response): Promise<string> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json');
  const problem = (await response.json()) as { code: string; status: number };
  assert.equal(problem.status, response.status);
  return problem.code;
}

test('every route of the table exists, and a route outside of it can not be registered', async () => {
  const h = await startApi();
  await using _ = h;
  for (const route of Object.keys(ACCESS)) {
    const [method = '', url = ''] = route.split(' ');
    if (url.includes('*')) continue;
    assert.ok(h.api.server.hasRoute({ method: method as 'GET', url }), `${route} is registered`);
  }
  const { createApi } = await import('../../../src/server/http/index.ts');
  const { nothingBehind } = await import('../../../src/server/http/deps.ts');
  const { server } = createApi(nothingBehind());
  assert.throws(() => server.get('/v1/forgotten', async () => 'x'), /no access is declared for GET \/v1\/forgotten/);
  await server.close();
});

test('without a key every route but the public ones answers 401', async () => {
  const { h, ids } = await harnessWithSandbox();
  await using _ = h;
  for (const { route, method, path, access, options } of asked(ids)) {
    // Signing in; sessions.test.ts has it.
    if (access === 'own') continue;
    for (const key of [null, 'arc_wrong']) {
      const response = await h.call(method, path, { ...options, key });
      if (access === 'public') {
        assert.ok(response.status < 400, `${route} is public, got ${response.status}`);
        await response.body?.cancel();
      } else {
        assert.equal(await codeOf(response), 'unauthorized', route);
        assert.equal(response.headers.get('www-authenticate'), 'Bearer realm="arc"');
      }
    }
  }
});

test('a key without the scope of a route is refused there with the name of the scope', async () => {
  const { h, ids } = await harnessWithSandbox();
  await using _ = h;
  for (const { route, method, path, access, options } of asked(ids)) {
    if (access === 'public' || access === 'any' || access === 'own') continue;
    const others = (['sandboxes:read', 'sandboxes:write', 'templates:read', 'templates:write'] as const).filter(
      (one) => one !== access,
    );
    const response = await h.call(method, path, { ...options, key: h.keys.make('alice', others) });
    assert.equal(response.status, 403, route);
    const problem = (await response.json()) as { code: string; detail: string };
    assert.equal(problem.code, 'forbidden');
    assert.ok(problem.detail.includes(access), route);
  }
});

test("another owner's sandbox is not there, on every route that names one", async () => {
  const { h, ids } = await harnessWithSandbox();
  await using _ = h;
  for (const { route, method, path, options } of asked(ids)) {
    if (!route.includes('/v1/sandboxes/:id')) continue;
    const response = await h.call(method, path, { ...options, key: h.bob });
    // Plain requests to WebSocket addresses are told so before any sandbox is looked at.
    const expected = /(GET .*\/(exec|terminal))$/.test(route) ? 'upgrade_required' : 'sandbox_not_found';
    assert.equal(await codeOf(response), expected, route);
  }
  assert.equal(h.sandboxes.records.get(ids.id ?? '')?.state, 'running');
  assert.equal(h.sandboxes.parts.execs.length, 0);
});

test('an admin reaches the sandboxes of all owners; others may not even ask by owner', async () => {
  const { h, ids } = await harnessWithSandbox();
  await using _ = h;
  assert.equal((await h.call('GET', `/v1/sandboxes/${ids.id}`, { key: h.admin })).status, 200);
  const listed = (await (await h.call('GET', '/v1/sandboxes?owner=alice', { key: h.admin })).json()) as {
    items: unknown[];
  };
  assert.equal(listed.items.length, 1);
  assert.equal(await codeOf(await h.call('GET', '/v1/sandboxes?owner=alice', { key: h.bob })), 'forbidden');
  assert.equal(await codeOf(await h.call('GET', '/v1/stats?owner=alice', { key: h.bob })), 'forbidden');
  const own = (await (await h.call('GET', '/v1/sandboxes', { key: h.bob })).json()) as { items: unknown[] };
  assert.deepEqual(own.items, []);
});

test('a key in the address is no key', async () => {
  const h = await startApi();
  await using _ = h;
  assert.equal(await codeOf(await h.call('GET', `/v1/sandboxes?key=${h.alice}`, { key: null })), 'unauthorized');
});

test('names that the server was not started with are refused on every route but /healthz', async () => {
  const h = await startApi({ config: { hostNames: ['arc.example'] } });
  await using _ = h;
  const ask = (path: string, host: string | undefined) =>
    new Promise<number>((resolve, reject) => {
      const headers = { authorization: `Bearer ${h.alice}`, ...(host === undefined ? {} : { host }) };
      const request = httpRequest(
        { port: h.port, host: '127.0.0.1', path, headers, setHost: host !== undefined },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      );
      request.on('error', reject).end();
    });
  for (const host of [
    'localhost',
    'localhost:1',
    '127.0.0.1',
    `127.0.0.1:${h.port}`,
    '[::1]:9',
    'arc.example',
    'ARC.example:77',
  ]) {
    assert.equal(await ask('/v1/sandboxes', host), 200, host);
  }
  for (const host of [
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'arc.example@evil',
    '10.0.0.1',
    'a b',
  ]) {
    for (const path of ['/v1/sandboxes', '/readyz', '/metrics', '/docs', '/nope']) {
      // An empty or broken Host may be refused by the HTTP parser before us.
      assert.ok([400, 421].includes(await ask(path, host)), `${host} ${path}`);
    }
  }
  assert.equal(await ask('/healthz', 'evil.example'), 200);
});

test('before it is ready the server answers health, and 503 with a reason to everything that needs more', async () => {
  const h = await startApi();
  await using _ = h;
  h.readiness = { ready: false, detail: 'looking for running sandboxes' };
  assert.equal((await h.call('GET', '/healthz', { key: null })).status, 200);
  const readyz = await h.call('GET', '/readyz', { key: null });
  assert.equal(readyz.status, 503);
  assert.equal(readyz.headers.get('retry-after'), '1');
  assert.match(((await readyz.json()) as { detail: string }).detail, /looking for running/);
  assert.equal(await codeOf(await h.call('GET', '/v1/sandboxes')), 'unavailable');
  h.readiness = { ready: true };
  assert.equal((await h.call('GET', '/readyz', { key: null })).status, 200);
  assert.equal((await h.call('GET', '/v1/sandboxes')).status, 200);
});

test('plain HTTP beyond loopback is refused unless the configuration allows it', async () => {
  await assert.rejects(startApi({ config: { host: '0.0.0.0' } }), { code: 'invalid_config' });
  const h = await startApi({ config: { host: '0.0.0.0', plainHttpBeyondLoopback: true } });
  await using _ = h;
  assert.equal((await h.call('GET', '/healthz')).status, 200);
});

test('a port that is taken is said to be', async () => {
  const h = await startApi();
  await using _ = h;
  await assert.rejects(startApi({ config: { port: h.port } }), { code: 'port_in_use' });
});
