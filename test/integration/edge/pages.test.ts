import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it, type TestContext } from 'node:test';
import type { Route } from '../../../src/edge/router.ts';
import {
  answering,
  bodyOf,
  exchange,
  get,
  route,
  startEdge,
  startRawUpstream,
  startUpstream,
  statusOf,
} from './harness.ts';

const BROWSER = ['Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'];

async function answerFor(t: TestContext, more: Partial<Route>, lines: readonly string[] = []): Promise<string> {
  const edge = await startEdge(t);
  await edge.router.set(route('sb-aaaa', '127.0.0.2', 8080, more));
  return exchange(edge, get('sb-aaaa.localhost', '/', lines));
}

const problemOf = (answer: string) => JSON.parse(bodyOf(answer));

it('a sandbox that never was is unknown: 404', async (t) => {
  const edge = await startEdge(t);
  const answer = await exchange(edge, get('sb-none.localhost'));
  assert.equal(statusOf(answer), 404);
  assert.match(answer, /Content-Type: application\/problem\+json/);
  assert.equal(problemOf(answer).code, 'sandbox_not_found');
  await edge.router.set(route('sb-none', '127.0.0.2', 80, { state: 'removed' }));
  assert.equal(statusOf(await exchange(edge, get('sb-none.localhost'))), 410);
  await edge.router.forget('sb-none');
  assert.equal(statusOf(await exchange(edge, get('sb-none.localhost'))), 404);
});

it('a sandbox that is gone says why and when in words: 410', async (t) => {
  const since = Date.now() - (2 * 3_600_000 + 5 * 60_000);
  const answer = await answerFor(t, { state: 'removed', reason: 'ttl', since });
  assert.equal(statusOf(answer), 410);
  const problem = problemOf(answer);
  assert.equal(problem.code, 'sandbox_gone');
  assert.ok(
    problem.detail.includes(`It was removed 2h5m ago (${new Date(since).toUTCString()}) because its time was up.`),
    problem.detail,
  );
});

it('a sandbox that starts asks to come again: 503 with Retry-After, and the page refreshes itself', async (t) => {
  for (const state of ['queued', 'starting'] as const) {
    const answer = await answerFor(t, { state, reason: 'created' });
    assert.equal(statusOf(answer), 503);
    assert.match(answer, /\r\nRetry-After: 1\r\n/);
    assert.equal(problemOf(answer).code, 'starting');
    const page = await answerFor(t, { state, reason: 'created' }, BROWSER);
    assert.match(page, /Content-Type: text\/html/);
    assert.match(page, /<meta http-equiv="refresh" content="1">/);
  }
});

it('a sandbox that stopped or failed says why, with the exit code', async (t) => {
  const stopped = await answerFor(t, { state: 'stopped', reason: 'exit', detail: 'exit code 3' });
  assert.equal(statusOf(stopped), 503);
  assert.match(problemOf(stopped).detail, /stopped just now .* because its program ended: exit code 3\./);
  assert.doesNotMatch(stopped, /Retry-After/);
  const failed = await answerFor(t, { state: 'failed', reason: 'oom', detail: 'killed at 64MiB' }, BROWSER);
  assert.match(failed, /used more memory than its limit: killed at 64MiB/);
  assert.doesNotMatch(failed, /http-equiv="refresh"/);
});

it('whatever comes from outside is escaped, and the page runs no script', async (t) => {
  const page = await answerFor(t, { state: 'failed', reason: 'exit', detail: '<script>alert("1")</script>&' }, BROWSER);
  assert.ok(page.includes('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;'));
  assert.ok(!page.includes('<script'));
  assert.match(page, /Content-Security-Policy: default-src 'none'/);
});

it('HEAD gets the header of the page and no body', async (t) => {
  const edge = await startEdge(t);
  const answer = await exchange(edge, get('sb-none.localhost').replace('GET', 'HEAD'));
  assert.equal(statusOf(answer), 404);
  assert.equal(bodyOf(answer), '');
  assert.match(answer, /Content-Length: [1-9]/);
});

it('a large body sent to a sandbox that is gone does not keep the answer from the client', async (t) => {
  const edge = await startEdge(t);
  const body = 'x'.repeat(300_000);
  const answer = await exchange(
    edge,
    `POST / HTTP/1.1\r\nHost: sb-none.localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}${get('localhost')}`,
  );
  assert.equal(answer.match(/HTTP\/1\.1 404/g)?.length, 2);
});

it('a closed port is tried again for a short while, then said with the ports there are: 502', async (t) => {
  const edge = await startEdge(t, { refusedRetryMs: 60 });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', 9, { ports: [9, 8080] }));
  const answer = await exchange(edge, get('sb-aaaa.localhost'));
  assert.equal(statusOf(answer), 502);
  assert.match(problemOf(answer).detail, /nothing listens on port 9\. Its template names 9, 8080\./);
  assert.deepEqual([problemOf(answer).port, problemOf(answer).ports], [9, [9, 8080]]);
});

it('a program that begins to listen in that while is reached', async (t) => {
  const edge = await startEdge(t, { refusedRetryMs: 5_000 });
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, '127.0.0.2', done));
  const { port } = probe.address() as AddressInfo;
  await new Promise((done) => probe.close(done));
  await edge.router.set(route('sb-aaaa', '127.0.0.2', port));
  const pending = exchange(edge, get('sb-aaaa.localhost'));
  const late = createServer((_request, response) => response.end('late'));
  await new Promise<void>((done) => setTimeout(() => late.listen(port, '127.0.0.2', done), 50));
  t.after(() => late.close());
  assert.match(await pending, /late$/);
});

it('no port at all is said', async (t) => {
  const answer = await answerFor(t, { ports: [] });
  assert.equal(statusOf(answer), 502);
  assert.match(problemOf(answer).detail, /names no port/);
});

it('no answer in time is 504, and the connection is not used again', async (t) => {
  const edge = await startEdge(t, { responseMs: 60, sweepMs: 10 });
  const upstream = await startRawUpstream(t, '127.0.0.2', () => {});
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost'))), 504);
  assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost'))), 504);
  assert.equal(upstream.connections(), 2);
});

const broken: Readonly<Record<string, string>> = {
  'bytes that are no HTTP': 'SSH-2.0-OpenSSH_9.2\r\n',
  'an impossible status': 'HTTP/1.1 999999 X\r\n\r\n',
  'another version': 'HTTP/2 200 OK\r\n\r\n',
  'a control character in a field': 'HTTP/1.1 200 OK\r\nX-A: 1\x00\r\n\r\n',
  'a field without a name': 'HTTP/1.1 200 OK\r\n: 1\r\n\r\n',
  'two different lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
  'a length that is no number': 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
  'an unknown transfer encoding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n',
  'an upgrade nobody asked for': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n',
  'a header without an end': `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(70_000)}\r\n\r\n`,
  'half a header and the end': 'HTTP/1.1 200 OK\r\nX-A: 1\r\n',
  'nothing and the end': '',
};
for (const [what, reply] of Object.entries(broken)) {
  it(`${what}: 502`, async (t) => {
    const edge = await startEdge(t);
    const upstream = await startRawUpstream(t, '127.0.0.2', answering(reply, { close: true }));
    await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
    const answer = await exchange(edge, get('sb-aaaa.localhost'));
    assert.equal(statusOf(answer), 502, answer.slice(0, 100));
    assert.equal(problemOf(answer).code, 'upstream_failed');
  });
}

const halves: Readonly<Record<string, string>> = {
  'a body shorter than its length': 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf',
  'chunks without the last': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
  'a broken chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n',
};
for (const [what, reply] of Object.entries(halves)) {
  it(`${what}: the connection is broken off, for clients of both versions`, async (t) => {
    const edge = await startEdge(t);
    const upstream = await startRawUpstream(t, '127.0.0.2', answering(reply, { close: true }));
    await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
    await assert.rejects(
      fetch(`http://127.0.0.1:${edge.address.port}/_sb/sb-aaaa/`).then((response) => response.text()),
    );
    const old = await exchange(edge, 'GET / HTTP/1.0\r\nHost: sb-aaaa.localhost\r\n\r\n');
    assert.ok(!old.endsWith('\r\n0\r\n\r\n'));
  });
}

it('an answer that the end of the connection ends is whole', async (t) => {
  const edge = await startEdge(t);
  const upstream = await startRawUpstream(t, '127.0.0.2', answering('HTTP/1.0 200 OK\n\nwhole', { close: true }));
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const response = await fetch(`http://127.0.0.1:${edge.address.port}/_sb/sb-aaaa/`);
  assert.equal(await response.text(), 'whole');
});

it('its own 5xx answers pass as they are, without the mark of the edge', async (t) => {
  const edge = await startEdge(t);
  const upstream = await startUpstream(t, '127.0.0.2', (_request, response) => {
    response.writeHead(503, { 'Arc-Error': 'starting', 'X-App': '1' });
    response.end('app');
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const answer = await exchange(edge, get('sb-aaaa.localhost'));
  assert.match(answer, /503 .*X-App: 1.*\r\napp\r\n/s);
  assert.doesNotMatch(answer, /Arc-Error/i);
});
