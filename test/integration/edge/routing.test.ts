import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { it, type TestContext } from 'node:test';
import { bodyOf, exchange, get, route, startEdge, startUpstream, statusOf } from './harness.ts';

const echo = (name: string) => (request: IncomingMessage, response: ServerResponse) => {
  response.end(JSON.stringify({ name, url: request.url, headers: request.headers, raw: request.rawHeaders }));
};

async function twoSandboxes(t: TestContext) {
  const edge = await startEdge(t);
  const a = await startUpstream(t, '127.0.0.2', echo('a'));
  const b = await startUpstream(t, '127.0.0.3', echo('b'));
  const second = await startUpstream(t, '127.0.0.2', echo('a-second'));
  await edge.router.set(route('sb-aaaa', '127.0.0.2', a.port));
  await edge.router.set(route('sb-bbbb', '127.0.0.3', b.port));
  return { edge, a, b, second };
}

it('which sandbox a request reaches is named by the host, in any case, with or without a port or a trailing dot', async (t) => {
  const { edge } = await twoSandboxes(t);
  for (const host of [
    'sb-aaaa.localhost',
    'SB-AAAA.LocalHost',
    'sb-aaaa.localhost:7780',
    'sb-aaaa.localhost.',
    'sb-aaaa.localhost.:80',
  ]) {
    assert.equal(JSON.parse(bodyOf(await exchange(edge, get(host)))).name, 'a', host);
  }
  assert.equal(JSON.parse(bodyOf(await exchange(edge, get('sb-bbbb.localhost')))).name, 'b');
});

it('PORT-ID reaches another port, declared or not', async (t) => {
  const { edge, second } = await twoSandboxes(t);
  const answer = JSON.parse(bodyOf(await exchange(edge, get(`${second.port}-sb-aaaa.localhost:7780`))));
  assert.equal(answer.name, 'a-second');
  assert.equal(answer.headers.host, `${second.port}-sb-aaaa.localhost:7780`);
});

it('a path below /_sb/ on the edge itself reaches it too, and the sandbox sees its own public host', async (t) => {
  const { edge, second } = await twoSandboxes(t);
  const { port } = edge.address;
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`]) {
    const answer = JSON.parse(bodyOf(await exchange(edge, get(host, '/_sb/sb-aaaa/x/y?q=1'))));
    assert.equal(answer.url, '/x/y?q=1');
    assert.equal(answer.headers.host, `sb-aaaa.localhost:${port}`);
    assert.equal(answer.headers['x-forwarded-host'], `sb-aaaa.localhost:${port}`);
  }
  const bare = JSON.parse(bodyOf(await exchange(edge, get('localhost', `/_sb/${second.port}-SB-AAAA?q`))));
  assert.deepEqual([bare.name, bare.url], ['a-second', '/?q']);
});

it('/_sb/ on the host of a sandbox is a path of that sandbox', async (t) => {
  const { edge } = await twoSandboxes(t);
  const answer = JSON.parse(bodyOf(await exchange(edge, get('sb-aaaa.localhost', '/_sb/sb-bbbb/x'))));
  assert.deepEqual([answer.name, answer.url], ['a', '/_sb/sb-bbbb/x']);
});

it('an absolute target is taken where it names the host of the Host field, and refused where it does not', async (t) => {
  const { edge } = await twoSandboxes(t);
  const same = await exchange(edge, get('sb-aaaa.localhost', 'http://SB-aaaa.localhost/p?q'));
  assert.deepEqual([JSON.parse(bodyOf(same)).name, JSON.parse(bodyOf(same)).url], ['a', '/p?q']);
  for (const target of [
    'http://sb-bbbb.localhost/',
    'http://sb-bbbb.localhost@sb-aaaa.localhost/',
    'http://sb-aaaa.localhost@sb-bbbb.localhost/',
    'https://sb-aaaa.localhost/',
    'sb-bbbb.localhost:80',
  ]) {
    assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost', target))), 400, target);
  }
});

it('odd hosts reach nobody and get a clear refusal', async (t) => {
  const { edge } = await twoSandboxes(t);
  const cases: readonly (readonly [string, number])[] = [
    ['sb-aaaa.localhost@sb-bbbb.localhost', 400],
    ['user:pw@sb-aaaa.localhost', 400],
    ['sb-aaaa.localhost:99999', 400],
    ['sb-aaaa.localhost:8o', 400],
    ['sb-aaaa.localhost/sb-bbbb', 400],
    ['sb-aaaa .localhost', 400],
    ['sb-aaaa,sb-bbbb.localhost', 400],
    ['..localhost', 404],
    ['x.sb-aaaa.localhost', 404],
    ['sb-aaaa.sb-bbbb.localhost', 404],
    ['xn--sb-aaaa-9za.localhost', 404],
    ['sb-a\u00e4aa.localhost', 400],
    ['0-sb-aaaa.localhost', 404],
    ['080-sb-aaaa.localhost', 404],
    ['65536-sb-aaaa.localhost', 404],
    ['-1-sb-aaaa.localhost', 404],
    ['80-81-sb-aaaa.localhost', 404],
    ['sb-zzzz.localhost', 404],
    ['www.localhost', 404],
    ['sb-aaaa.localhost.evil.example', 421],
    ['sb-aaaalocalhost', 421],
    ['evil.example', 421],
    ['', 400],
  ];
  for (const [host, status] of cases) {
    assert.equal(statusOf(await exchange(edge, get(host))), status, JSON.stringify(host));
  }
  assert.equal(statusOf(await exchange(edge, get('evil.example', '/_sb/sb-aaaa/'))), 421);
  assert.equal(statusOf(await exchange(edge, get('localhost', '/'))), 404);
  assert.equal(statusOf(await exchange(edge, get('localhost', '/_sb/../sb-aaaa/'))), 404);
  assert.equal(statusOf(await exchange(edge, get('localhost', '/_sb/sb-aaaa%2f'))), 404);
});

it('two Host fields, or none, are refused', async (t) => {
  const { edge } = await twoSandboxes(t);
  assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost', '/', ['Host: sb-bbbb.localhost']))), 400);
  assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost', '/', ['host: sb-aaaa.localhost']))), 400);
  assert.equal(statusOf(await exchange(edge, 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n')), 400);
  assert.equal(statusOf(await exchange(edge, 'GET / HTTP/1.0\r\n\r\n')), 400);
});

it('CONNECT is refused', async (t) => {
  const { edge } = await twoSandboxes(t);
  const answer = await exchange(edge, 'CONNECT sb-aaaa.localhost:80 HTTP/1.1\r\nHost: sb-aaaa.localhost:80\r\n\r\n');
  assert.equal(statusOf(answer), 400);
});

it('which sandbox a request reaches is decided for each request anew on a connection that is kept alive', async (t) => {
  const { edge } = await twoSandboxes(t);
  const keep = (host: string) => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const text = await exchange(edge, keep('sb-aaaa.localhost') + keep('sb-bbbb.localhost') + get('sb-aaaa.localhost'));
  assert.deepEqual(
    [...text.matchAll(/"name":"(\w)"/g)].map((match) => match[1]),
    ['a', 'b', 'a'],
  );
});

it("what a sandbox is told about the client is the edge's own knowledge: the client's values are dropped, in every spelling", async (t) => {
  const { edge } = await twoSandboxes(t);
  const lines = [
    'X-Forwarded-For: 6.6.6.6',
    'x-forwarded-host: evil',
    'X_Forwarded_For: 6.6.6.6',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Prefix: /evil',
    'X-Real-IP: 6.6.6.6',
    'Forwarded: for=6.6.6.6',
    'Arc-User: root',
  ];
  const { headers } = JSON.parse(bodyOf(await exchange(edge, get('sb-aaaa.localhost:7780', '/', lines))));
  assert.deepEqual(
    Object.entries(headers)
      .filter(([name]) => name !== 'connection')
      .sort(),
    [
      ['host', 'sb-aaaa.localhost:7780'],
      ['x-forwarded-for', '127.0.0.1'],
      ['x-forwarded-host', 'sb-aaaa.localhost:7780'],
      ['x-forwarded-port', '7780'],
      ['x-forwarded-proto', 'http'],
    ],
  );
});

it('the edge leaves out what was meant for the hop to the edge, also what Connection names', async (t) => {
  const { edge } = await twoSandboxes(t);
  const lines = [
    'Keep-Alive: timeout=1',
    'Proxy-Authorization: Basic x',
    'Proxy-Connection: close',
    'X-Secret: 1',
    'X-Kept: 1',
    'TE: gzip',
  ];
  const text = `GET / HTTP/1.1\r\nHost: sb-aaaa.localhost\r\nConnection: close, X-Secret\r\n${lines.join('\r\n')}\r\n\r\n`;
  const { headers } = JSON.parse(bodyOf(await exchange(edge, text)));
  for (const name of ['keep-alive', 'proxy-authorization', 'proxy-connection', 'x-secret', 'te'])
    assert.equal(headers[name], undefined, name);
  assert.equal(headers['x-kept'], '1');
});

it("the edge leaves out Arc's own cookies and keeps Authorization and the app's cookies", async (t) => {
  const { edge } = await twoSandboxes(t);
  const lines = ['Authorization: Bearer app', 'Cookie: a=1; arc_session=secret; __Host-arc_key=s; b=arc_2'];
  const { headers } = JSON.parse(bodyOf(await exchange(edge, get('sb-aaaa.localhost', '/', lines))));
  assert.equal(headers.authorization, 'Bearer app');
  assert.equal(headers.cookie, 'a=1; b=arc_2');
  const only = JSON.parse(bodyOf(await exchange(edge, get('sb-aaaa.localhost', '/', ['Cookie: arc_session=s']))));
  assert.equal(only.headers.cookie, undefined);
});

it('the edge keeps names, order and repeats of the other fields as they were sent', async (t) => {
  const { edge } = await twoSandboxes(t);
  const { raw } = JSON.parse(
    bodyOf(await exchange(edge, get('sb-aaaa.localhost', '/', ['x-B: 1', 'X-a: \u00e9', 'x-B: 2']))),
  );
  assert.deepEqual(raw.slice(2, 8), ['x-B', '1', 'X-a', '\u00e9', 'x-B', '2']);
});
