import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { it, type TestContext } from 'node:test';
import { answering, exchange, get, route, startEdge, startRawUpstream, startUpstream, statusOf } from './harness.ts';

/** An edge before a server that notes every byte it gets. */
async function noting(t: TestContext) {
  const edge = await startEdge(t);
  let seen = '';
  const upstream = await startRawUpstream(t, '127.0.0.2', (socket) => {
    socket.on('data', (bytes) => {
      seen += bytes.toString('latin1');
    });
    answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')(socket);
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  return { edge, seen: () => seen };
}

const post = (lines: readonly string[], body: string) =>
  ['POST / HTTP/1.1', 'Host: sb-aaaa.localhost', ...lines, '', body].join('\r\n');
const HIDDEN = 'GET /hidden HTTP/1.1\r\nHost: sb-aaaa.localhost\r\n\r\n';

const cases: Readonly<Record<string, string>> = {
  'with Content-Length and Transfer-Encoding': post(
    ['Content-Length: 4', 'Transfer-Encoding: chunked'],
    `0\r\n\r\n${HIDDEN}`,
  ),
  'with Transfer-Encoding and Content-Length': post(
    ['Transfer-Encoding: chunked', 'Content-Length: 4'],
    `0\r\n\r\n${HIDDEN}`,
  ),
  'with two Content-Lengths': post(['Content-Length: 4', 'Content-Length: 60'], `abcd${HIDDEN}`),
  'with the same Content-Length twice': post(['Content-Length: 4', 'Content-Length: 4'], `abcd${HIDDEN}`),
  'with a list in Content-Length': post(['Content-Length: 4, 4'], `abcd${HIDDEN}`),
  'with a sign in Content-Length': post(['Content-Length: +4'], `abcd${HIDDEN}`),
  'with a hexadecimal Content-Length': post(['Content-Length: 0x4'], `abcd${HIDDEN}`),
  'with an empty Content-Length': post(['Content-Length:'], HIDDEN),
  'with an unknown transfer encoding': post(['Transfer-Encoding: xchunked'], `0\r\n\r\n${HIDDEN}`),
  'with an encoding before chunked': post(['Transfer-Encoding: gzip, chunked'], `0\r\n\r\n${HIDDEN}`),
  'with an encoding after chunked': post(['Transfer-Encoding: chunked, identity'], `0\r\n\r\n${HIDDEN}`),
  'with chunked twice': post(['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], `0\r\n\r\n${HIDDEN}`),
  'with chunked in two fields, one odd': post(
    ['Transfer-Encoding: chunked', 'Transfer-Encoding: cow'],
    `0\r\n\r\n${HIDDEN}`,
  ),
  'with a space before the colon': post(['Transfer-Encoding : chunked'], `0\r\n\r\n${HIDDEN}`),
  'with a vertical tab in the encoding': post(['Transfer-Encoding: \x0bchunked'], `0\r\n\r\n${HIDDEN}`),
  'with a folded field': post(['X-A: 1', ' Transfer-Encoding: chunked'], HIDDEN),
  'with a folded encoding': post(['Transfer-Encoding:', ' chunked'], `0\r\n\r\n${HIDDEN}`),
  'with a bare LF in the header': `POST / HTTP/1.1\r\nHost: sb-aaaa.localhost\nContent-Length: 0\r\n\r\n${HIDDEN}`,
  'with a bare LF at its end': `GET / HTTP/1.1\r\nHost: sb-aaaa.localhost\r\n\n${HIDDEN}`,
  'with a bare CR in a value': post(['X-A: 1\rTransfer-Encoding: chunked'], HIDDEN),
  'with a NUL in a value': post(['X-A: 1\x002'], HIDDEN),
  'with a chunk size that is no number': post(['Transfer-Encoding: chunked'], `0x0\r\n\r\n${HIDDEN}`),
  'with a negative chunk size': post(['Transfer-Encoding: chunked'], `-1\r\n\r\n${HIDDEN}`),
  'with a chunk longer than its size': post(['Transfer-Encoding: chunked'], `1\r\nabc\r\n0\r\n\r\n${HIDDEN}`),
  'with a bare LF after a chunk size': post(['Transfer-Encoding: chunked'], `1\na\r\n0\r\n\r\n${HIDDEN}`),
  'with an unknown HTTP version': HIDDEN.replace('/hidden HTTP/1.1', '/ HTTP/2.7') + HIDDEN,
  'with a space in the target': HIDDEN.replace('/hidden ', '/ x ') + HIDDEN,
};
for (const [what, bytes] of Object.entries(cases)) {
  it(`a request ${what} is refused, and the connection with it`, async (t) => {
    const { edge, seen } = await noting(t);
    const answer = await exchange(edge, bytes);
    assert.equal(statusOf(answer), 400, answer.slice(0, 200));
    assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1);
    assert.ok(!seen().includes('/hidden'), seen());
  });
}

it('an upgrade with a body is no upgrade: it is answered as what else it is, and the connection ends', async (t) => {
  const { edge, seen } = await noting(t);
  const bytes = post(['Connection: Upgrade', 'Upgrade: websocket', 'Content-Length: 4'], `abcd${HIDDEN}`);
  const answer = await exchange(edge, bytes);
  assert.match(answer, /^HTTP\/1\.1 200 .*Connection: close.*ok$/s);
  assert.ok(seen().endsWith('\r\n\r\nabcd') && !/upgrade|hidden/i.test(seen()), seen());
});

it('HTTP/2 by upgrade is answered as plain HTTP/1.1, and nothing of it reaches the sandbox', async (t) => {
  const { edge, seen } = await noting(t);
  const lines = ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'];
  const bytes = `GET / HTTP/1.1\r\nHost: sb-aaaa.localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\n${lines.join('\r\n')}\r\n\r\n`;
  assert.equal(statusOf(await exchange(edge, bytes, /ok$/)), 200);
  assert.ok(!/upgrade|http2/i.test(seen()), seen());
});

it('a header of too many bytes or too many fields is refused with 431', async (t) => {
  const { edge, seen } = await noting(t);
  assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost', '/', [`X-A: ${'a'.repeat(40_000)}`]))), 431);
  assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost', `/${'a'.repeat(40_000)}`))), 431);
  const many = Array.from({ length: 300 }, (_, n) => `X-${n}: 1`);
  assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost', '/', many))), 431);
  assert.equal(seen(), '');
});

it('a header that does not arrive in time is answered with 408', async (t) => {
  const edge = await startEdge(t, { requestHeadMs: 100 });
  assert.equal(statusOf(await exchange(edge, 'GET / HTTP/1.1\r\nHost: sb-aa')), 408);
});

it('a connection without a request is closed after its time', async (t) => {
  const edge = await startEdge(t, { clientIdleMs: 50 });
  const answer = await exchange(edge, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  assert.equal(statusOf(answer), 404);
});

it('more connections than the limit are told so', async (t) => {
  const edge = await startEdge(t, { connections: 1 });
  const first = connect(edge.address.port, edge.address.host);
  first.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(first, 'data');
  const answer = await exchange(edge, get('localhost'));
  assert.equal(statusOf(answer), 503);
  assert.match(answer, /Retry-After: 1\r\n.*"code":"overloaded"/s);
  first.destroy();
  await once(first, 'close');
  for (let status = 503; status !== 404; ) status = statusOf(await exchange(edge, get('localhost')));
});

it('more requests at once to one sandbox than the limit are told so, and its neighbour is not disturbed', async (t) => {
  const edge = await startEdge(t, { requestsPerSandbox: 1 });
  let release = () => {};
  const held = await startUpstream(t, '127.0.0.2', (_request, response) => {
    release = () => response.end('late');
  });
  const free = await startUpstream(t, '127.0.0.3', (_request, response) => response.end('free'));
  await edge.router.set(route('sb-aaaa', '127.0.0.2', held.port));
  await edge.router.set(route('sb-bbbb', '127.0.0.3', free.port));
  const arrived = new Promise<void>((done) => held.server.once('request', () => done()));
  const first = exchange(edge, get('sb-aaaa.localhost'));
  await arrived;
  assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost'))), 503);
  assert.equal(statusOf(await exchange(edge, get('sb-bbbb.localhost'))), 200);
  release();
  assert.match(await first, /late$/);
  const again = exchange(edge, get('sb-aaaa.localhost'));
  await new Promise<void>((done) => held.server.once('request', () => done()));
  release();
  assert.equal(statusOf(await again), 200);
});
