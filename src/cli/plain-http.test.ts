import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createRaw, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { HttpResponse } from '../sdk/transport.ts';
import { parseHead, quickTransport } from './plain-http.ts';

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function raw(t: TestContext, answer: (socket: Socket) => void): Promise<string> {
  const server = createRaw((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function text(response: HttpResponse): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

const get = (url: string, method = 'GET', body?: string) =>
  quickTransport({ method, url, headers: { accept: 'x' }, ...(body === undefined ? {} : { body }) });

test('method, path, headers and body arrive, and the answer comes back, chunked or not', async (t) => {
  const base = await serve(t, async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const said = JSON.stringify({ method: request.method, url: request.url, accept: request.headers.accept, body });
    if (request.url?.startsWith('/length')) response.setHeader('content-length', Buffer.byteLength(said));
    response.writeHead(201, { 'x-one': 'a' });
    for (const piece of said.match(/[\s\S]{1,7}/gu) ?? []) response.write(piece);
    response.end();
  });
  for (const path of ['/chunked?a=1%20', '/length']) {
    const response = await get(base + path, 'POST', '"ü"');
    assert.equal(response.status, 201);
    assert.equal(response.header('X-One'), 'a');
    assert.deepEqual(JSON.parse(await text(response)), { method: 'POST', url: path, accept: 'x', body: '"ü"' });
  }
});

test('answers without a body, and to HEAD, end', async (t) => {
  const base = await serve(t, (request, response) => {
    if (request.method === 'HEAD') response.setHeader('content-length', 100);
    response.writeHead(request.method === 'HEAD' ? 200 : 204).end();
  });
  for (const method of ['DELETE', 'HEAD']) assert.equal(await text(await get(base, method)), '');
});

test('an answer that is cut off is an error, however it says its length', async (t) => {
  for (const head of ['content-length: 10\r\n\r\nabc', 'transfer-encoding: chunked\r\n\r\n5\r\nab', '']) {
    const base = await raw(t, (socket) => socket.end(`HTTP/1.1 200 OK\r\n${head}`));
    await assert.rejects(async () => text(await get(base)), /closed in the middle/, head);
  }
});

test('interim answers are passed over, and without a length all until the end is the body', async (t) => {
  const base = await raw(t, (socket) =>
    socket.end('HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nall of it'),
  );
  assert.equal(await text(await get(base)), 'all of it');
});

test('a head without an end is refused before it fills memory', async (t) => {
  const base = await raw(t, (socket) => {
    const more = () => {
      while (socket.write('x'.repeat(65_536)));
    };
    socket.on('drain', more);
    more();
  });
  await assert.rejects(get(base), /too long a head/);
});

test('a signal ends a request that waits, and one that is being read', async (t) => {
  const base = await serve(t, (request, response) => {
    if (request.url === '/read') response.write('begun');
  });
  const waiting = new AbortController();
  const request = quickTransport({ method: 'GET', url: base, headers: {}, signal: waiting.signal });
  waiting.abort(new Error('enough'));
  await assert.rejects(request, /enough/);
  const reading = new AbortController();
  const response = await quickTransport({ method: 'GET', url: `${base}/read`, headers: {}, signal: reading.signal });
  const body = text(response);
  reading.abort(new Error('enough'));
  await assert.rejects(body, /enough/);
});

test('a header can not carry another one', async () => {
  const request = quickTransport({ method: 'GET', url: 'http://127.0.0.1:1', headers: { a: 'b\r\nc: d' } });
  await assert.rejects(request, /line break/);
});

test('whatever the bytes of a head are, it is taken or refused', () => {
  const piece = fc.oneof(fc.string(), fc.constantFrom('HTTP/1.1 200 OK', '\r\n', 'a: b', ':', 'content-length: 1'));
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      try {
        const { status } = parseHead(pieces.join(''));
        assert.ok(status >= 100 && status < 600);
      } catch (error) {
        assert.match((error as Error).message, /^the answer /);
      }
    }),
  );
});
