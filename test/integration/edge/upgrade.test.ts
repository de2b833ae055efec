import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { it, type TestContext } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import type { Edge } from '../../../src/edge/edge.ts';
import { answering, exchange, route, startEdge, startRawUpstream, statusOf, until } from './harness.ts';

async function webSockets(t: TestContext, edge: Edge) {
  const server = createServer((request, response) => response.end(request.headers.host));
  const sockets = new WebSocketServer({ server, path: '/ws' });
  const seen: IncomingMessage[] = [];
  sockets.on('connection', (socket, request) => {
    seen.push(request);
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.2', done));
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
    server.close();
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', (server.address() as AddressInfo).port));
  return { sockets, seen };
}

const open = async (
  edge: Edge,
  path = '/ws',
  host = 'sb-aaaa.localhost:7780',
  headers: Record<string, string> = {},
) => {
  const socket = new WebSocket(`ws://127.0.0.1:${edge.address.port}${path}`, ['chat'], {
    headers: { ...headers, Host: host },
  });
  await once(socket, 'open');
  return socket;
};

it('a WebSocket passes, text and binary, large and small, and its close code with it', async (t) => {
  const edge = await startEdge(t);
  const { seen } = await webSockets(t, edge);
  const socket = await open(edge);
  for (const message of [Buffer.from('hello'), Buffer.alloc(3_000_000, 7), Buffer.alloc(0)]) {
    socket.send(message);
    assert.ok(message.equals((await once(socket, 'message'))[0]));
  }
  assert.equal(socket.protocol, 'chat');
  assert.equal(seen.length, 1);
  socket.close(4001, 'done');
  assert.equal((await once(socket, 'close'))[0], 4001);
});

it('the host and the forwarding fields of an upgrade are those of a plain request', async (t) => {
  const edge = await startEdge(t);
  const { seen } = await webSockets(t, edge);
  const byHost = await open(edge, '/ws', 'sb-aaaa.localhost:7780', {
    'X-Forwarded-For': '6.6.6.6',
    Cookie: 'arc_x=1; a=1',
  });
  const byPath = await open(edge, '/_sb/sb-aaaa/ws', 'localhost:7780');
  for (const request of seen) {
    assert.equal(request.headers.host, 'sb-aaaa.localhost:7780');
    assert.equal(request.headers['x-forwarded-for'], '127.0.0.1');
    assert.equal(request.headers['x-forwarded-host'], 'sb-aaaa.localhost:7780');
    assert.equal(request.url, '/ws');
  }
  assert.equal(seen[0]?.headers.cookie, 'a=1');
  const plain = await exchange(edge, 'GET / HTTP/1.1\r\nHost: sb-aaaa.localhost:7780\r\nConnection: close\r\n\r\n');
  assert.match(plain, /sb-aaaa\.localhost:7780/);
  byHost.terminate();
  byPath.terminate();
});

it('either side that is cut cuts the other', async (t) => {
  const edge = await startEdge(t);
  const { sockets } = await webSockets(t, edge);
  const first = await open(edge);
  first.terminate();
  await until(() => sockets.clients.size === 0, 'the sandbox sees that the client left');
  const second = await open(edge);
  for (const socket of sockets.clients) socket.terminate();
  assert.equal((await once(second, 'close'))[0], 1006);
});

it('a refused upgrade is a plain answer: refused by the sandbox, or by the edge', async (t) => {
  const edge = await startEdge(t);
  await webSockets(t, edge);
  const statusFor = async (path: string, host: string) => {
    const socket = new WebSocket(`ws://127.0.0.1:${edge.address.port}${path}`, { headers: { Host: host } });
    socket.on('error', () => {});
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
    await response.toArray();
    return response.statusCode;
  };
  assert.equal(await statusFor('/other', 'sb-aaaa.localhost'), 400);
  assert.equal(await statusFor('/ws', 'sb-none.localhost'), 404);
  assert.equal(await statusFor('/ws', 'evil.example'), 421);
  await edge.router.set(route('sb-cccc', '127.0.0.2', 80, { state: 'starting' }));
  assert.equal(await statusFor('/ws', 'sb-cccc.localhost'), 503);
});

it('a large answer instead of an upgrade arrives whole', async (t) => {
  const edge = await startEdge(t);
  const body = 'x'.repeat(5_000_000);
  const upstream = await startRawUpstream(
    t,
    '127.0.0.2',
    answering(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
  );
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const answer = await exchange(
    edge,
    'GET / HTTP/1.1\r\nHost: sb-aaaa.localhost\r\nConnection: Upgrade\r\nUpgrade: thing\r\n\r\n',
  );
  assert.equal(statusOf(answer), 200);
  assert.ok(answer.endsWith(body));
});

it('any protocol passes, the first bytes of both sides too, and each end is passed on by itself', async (t) => {
  const edge = await startEdge(t);
  let got = '';
  const upstream = await startRawUpstream(
    t,
    '127.0.0.2',
    (socket) => {
      let head = '';
      let upgraded = false;
      socket.on('data', (bytes) => {
        if (upgraded) got += bytes.toString();
        else head += bytes.toString();
        if (upgraded || !head.includes('\r\n\r\n')) return;
        upgraded = true;
        assert.match(head, /Connection: Upgrade\r\nUpgrade: thing\/1\r\n/);
        got = head.slice(head.indexOf('\r\n\r\n') + 4);
        socket.write('HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: thing/1\r\nX-A: 1\r\n\r\nfirst;');
      });
      socket.on('end', () => socket.end(`after your end I still say: ${got}`));
    },
    { allowHalfOpen: true },
  );
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const client = connect({ port: edge.address.port, host: edge.address.host, allowHalfOpen: true });
  let text = '';
  client.on('data', (bytes) => {
    text += bytes.toString();
  });
  client.write(
    'POST /x HTTP/1.1\r\nHost: sb-aaaa.localhost\r\nConnection: Upgrade\r\nUpgrade: thing/1\r\nContent-Length: 0\r\n\r\nearly,',
  );
  await until(() => text.endsWith('first;'), 'the upgrade');
  client.end('late');
  await once(client, 'end');
  assert.match(
    text,
    /^HTTP\/1\.1 101 Go\r\nX-A: 1\r\nConnection: Upgrade\r\nUpgrade: thing\/1\r\n\r\nfirst;after your end I still say: early,late$/,
  );
  client.destroy();
});

it('an upgrade behind a request that is still being answered is not mixed into its answer', async (t) => {
  const edge = await startEdge(t);
  const upstream = await startRawUpstream(t, '127.0.0.2', () => {});
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const head = 'Host: sb-aaaa.localhost\r\n';
  const answer = await exchange(
    edge,
    `GET /slow HTTP/1.1\r\n${head}\r\nGET /ws HTTP/1.1\r\n${head}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  );
  assert.equal(answer, '');
});

it('activity is told at most once a second for each sandbox, also from within a tunnel', async (t) => {
  const active: string[] = [];
  const edge = await startEdge(t, {}, { onActivity: (id) => active.push(id) });
  await webSockets(t, edge);
  const socket = await open(edge);
  for (let turn = 0; turn < 20; turn += 1) {
    socket.send('x');
    await once(socket, 'message');
  }
  socket.terminate();
  assert.ok(active.length >= 1 && active.length <= 3, String(active.length));
  assert.deepEqual([...new Set(active)], ['sb-aaaa']);
});
