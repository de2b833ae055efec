import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { it } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
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
  until,
} from './harness.ts';

it('after an address has a new owner, no connection to the old one is used, and none of its answers arrive', async (t) => {
  const edge = await startEdge(t);
  // One server stands for whatever is at the address; it tells connections apart by their first request.
  const upstream = await startRawUpstream(t, '127.0.0.2', (socket, count) =>
    answering(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n#${count}`)(socket),
  );
  await edge.router.set(route('sb-first', '127.0.0.2', upstream.port));
  const first = async () => bodyOf(await exchange(edge, get('sb-first.localhost')));
  assert.deepEqual([await first(), await first()], ['#1', '#1']);
  await edge.router.set(route('sb-first', '127.0.0.2', upstream.port, { state: 'removed', reason: 'user' }));
  await edge.router.set(route('sb-second', '127.0.0.2', upstream.port));
  assert.equal(bodyOf(await exchange(edge, get('sb-second.localhost'))), '#2');
  assert.equal(statusOf(await exchange(edge, get('sb-first.localhost'))), 410);
});

it('two sandboxes never share a connection, nor do two ports of one', async (t) => {
  const edge = await startEdge(t);
  const owners = new Map<number | undefined, Set<string | undefined>>();
  const note: RequestListener = (request, response) => {
    const set = owners.get(request.socket.remotePort) ?? new Set();
    owners.set(request.socket.remotePort, set.add(request.headers.host));
    response.end('ok');
  };
  const a = await startUpstream(t, '127.0.0.2', note);
  const b = await startUpstream(t, '127.0.0.3', note);
  await edge.router.set(route('sb-aaaa', '127.0.0.2', a.port));
  await edge.router.set(route('sb-bbbb', '127.0.0.3', b.port));
  const keep = (host: string) => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const mixed = Array.from({ length: 20 }, (_, n) => keep(n % 2 === 0 ? 'sb-aaaa.localhost' : 'sb-bbbb.localhost'));
  await exchange(edge, mixed.join('') + get('sb-aaaa.localhost'));
  for (const hosts of owners.values()) assert.equal(hosts.size, 1);
});

it('a change of incarnation cuts requests under way: unanswered ones get an error, half-answered ones a broken connection', async (t) => {
  const edge = await startEdge(t);
  let arrived = 0;
  let closed = 0;
  const upstream = await startUpstream(t, '127.0.0.2', (request, response) => {
    arrived += 1;
    response.on('close', () => {
      closed += 1;
    });
    if (request.url === '/half') response.write('half');
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const silent = exchange(edge, get('sb-aaaa.localhost', '/silent'));
  const half = exchange(edge, get('sb-aaaa.localhost', '/half'));
  await until(() => arrived === 2, 'both requests arrive');
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port, { incarnation: 2 }));
  assert.equal(statusOf(await silent), 502);
  assert.match(await silent, /stopped, moved or started again/);
  assert.ok(!(await half).endsWith('0\r\n\r\n'));
  await until(() => closed === 2, 'the sandbox sees both cut');
});

it('forgetting, stopping and closing cut tunnels', async (t) => {
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  await new Promise<void>((done) => server.listen(0, '127.0.0.2', done));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const edge = await startEdge(t);
  const cuts = [
    () => edge.router.set(route('sb-aaaa', '127.0.0.2', port, { state: 'stopped', reason: 'exit' })),
    () => edge.router.forget('sb-aaaa'),
    () => edge.close(),
  ];
  for (const [index, cut] of cuts.entries()) {
    await edge.router.set(route('sb-aaaa', '127.0.0.2', port, { incarnation: index + 1 }));
    const socket = new WebSocket(`ws://127.0.0.1:${edge.address.port}/`, { headers: { Host: 'sb-aaaa.localhost' } });
    socket.on('error', () => {});
    await once(socket, 'open');
    await Promise.all([once(socket, 'close'), cut()]);
    await until(() => sockets.clients.size === 0, 'the sandbox sees the end');
  }
});

it('a request that waits for a port to open is answered at once when its sandbox stops', async (t) => {
  const edge = await startEdge(t, { refusedRetryMs: 60_000 });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', 9));
  const waiting = exchange(edge, get('sb-aaaa.localhost'));
  await exchange(edge, get('localhost'));
  await edge.router.set(route('sb-aaaa', '127.0.0.2', 9, { state: 'stopped', reason: 'exit' }));
  assert.ok([502, 503].includes(statusOf(await waiting)));
});

it('a connection the server has closed is not used for a request that must not be sent twice', async (t) => {
  const edge = await startEdge(t);
  const upstream = await startRawUpstream(t, '127.0.0.2', (socket, count) => {
    answering(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n#${count}`, { close: true })(socket);
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  for (let turn = 1; turn <= 5; turn += 1) {
    const post = get('sb-aaaa.localhost', '/', ['Content-Length: 0']).replace('GET', 'POST');
    assert.equal(bodyOf(await exchange(edge, post)), `#${turn}`);
  }
});

it('a connection that was long unused is not used for such a request, and still is for others', async (t) => {
  const edge = await startEdge(t, { upstreamFreshMs: -1 });
  const upstream = await startRawUpstream(t, '127.0.0.2', (socket, count) =>
    answering(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n#${count}`)(socket),
  );
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const send = async (method: string) =>
    bodyOf(await exchange(edge, get('sb-aaaa.localhost', '/', ['Content-Length: 0']).replace('GET', method)));
  assert.deepEqual(
    [await send('GET'), await send('GET'), await send('POST'), await send('PATCH')],
    ['#1', '#1', '#2', '#3'],
  );
});

it('a request that may be sent twice is, once, when a kept connection turns out to be closed; others are not', async (t) => {
  const edge = await startEdge(t);
  const seen: string[] = [];
  const upstream = await startRawUpstream(t, '127.0.0.2', (socket, count) => {
    let requests = 0;
    answering((head) => {
      requests += 1;
      seen.push(`${count}:${head.split(' ')[0]}`);
      if (requests === 1) return 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
      socket.destroy();
      return '';
    })(socket);
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost'))), 200);
  assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost'))), 200);
  assert.deepEqual(seen, ['1:GET', '1:GET', '2:GET']);
  const post = get('sb-aaaa.localhost', '/', ['Content-Length: 0']).replace('GET', 'POST');
  assert.equal(statusOf(await exchange(edge, post)), 502);
  assert.deepEqual(seen.slice(3), ['2:POST']);
});

it('bytes a server sends unasked end its connection and reach nobody', async (t) => {
  const edge = await startEdge(t);
  const evil = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';
  const upstream = await startRawUpstream(t, '127.0.0.2', (socket, count) =>
    answering(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n#${count}${evil}`)(socket),
  );
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const keep = 'GET / HTTP/1.1\r\nHost: sb-aaaa.localhost\r\n\r\n';
  const answer = await exchange(edge, keep + keep + get('sb-aaaa.localhost'));
  assert.deepEqual([...answer.matchAll(/#[0-9]/g)].map(String).sort(), ['#1', '#2', '#3']);
  assert.ok(!answer.includes('evil'));
});

it('closing lets requests under way end, and takes no more', async (t) => {
  const edge = await startEdge(t, { drainMs: 5_000 });
  let release = () => {};
  const upstream = await startUpstream(t, '127.0.0.2', (_request, response) => {
    release = () => response.end('whole');
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const { address } = edge;
  const arrived = once(upstream.server, 'request');
  const underWay = exchange(edge, 'GET / HTTP/1.1\r\nHost: sb-aaaa.localhost\r\n\r\n');
  await arrived;
  const closed = edge.close();
  const late = connect(address.port, address.host);
  await once(late, 'error');
  release();
  assert.match(await underWay, /Connection: close.*whole/s);
  await closed;
});

it('an IPv6 address can be listened on, with brackets or without', async (t) => {
  for (const listen of ['[::1]:0', '::1:0']) {
    const edge = await startEdge(t, {}, { listen });
    assert.equal(statusOf(await exchange(edge, get('[::1]'))), 404);
  }
});

it('an address in use is said', async (t) => {
  const edge = await startEdge(t);
  await assert.rejects(startEdge(t, {}, { listen: `127.0.0.1:${edge.address.port}` }), { code: 'port_in_use' });
  await assert.rejects(startEdge(t, {}, { listen: 'nowhere' }), { code: 'invalid_config' });
});
