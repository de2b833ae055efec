import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { it, type TestContext } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { ArcError } from '../../../src/contract/errors.ts';
import type { Edge } from '../../../src/edge/edge.ts';
import type { EdgeLimits } from '../../../src/edge/limits.ts';
import { realClock } from '../../../src/kit/real.ts';
import { bodyOf, exchange, get, route, startEdge, startUpstream, statusOf, until } from './harness.ts';

const HOST = 'sb-aaaa.localhost';
const ADDRESS = '127.0.0.7';

/** An edge whose only sandbox sleeps, and the hands that wake it. */
async function sleeping(t: TestContext, port: number, limits: Partial<EdgeLimits> = {}) {
  const used: string[] = [];
  const state = { wakes: 0, edge: undefined as unknown as Edge, used };
  let woken = Promise.withResolvers<void>();
  const waker = {
    wake: async (id: string) => {
      state.wakes += 1;
      await woken.promise;
      await state.edge.router.set(route(id, ADDRESS, port, { incarnation: 2 }));
    },
  };
  state.edge = await startEdge(t, limits, { waker, onActivity: (id) => used.push(id) });
  await state.edge.router.set({
    ...{ id: 'sb-aaaa', incarnation: 1, state: 'stopped', reason: 'hard-limit', ports: [port], wakes: true },
  });
  return {
    state,
    edge: state.edge,
    wake: () => woken.resolve(),
    fail: (error: Error) => woken.reject(error),
    sleep: () => {
      woken = Promise.withResolvers();
    },
  };
}

it('many requests at once wake it once, and each gets its answer', async (t) => {
  const { port } = await startUpstream(t, ADDRESS, (request, response) => response.end(request.url));
  const { edge, state, wake } = await sleeping(t, port);
  const answers = Array.from({ length: 500 }, (_, n) => exchange(edge, get(HOST, `/${n}`)));
  await until(() => edge.held === 500, 'all are held');
  wake();
  const bodies = (await Promise.all(answers)).map((answer) => (statusOf(answer) === 200 ? bodyOf(answer) : answer));
  assert.deepEqual(
    bodies,
    Array.from({ length: 500 }, (_, n) => `/${n}`),
  );
  assert.equal(state.wakes, 1);
});

it('a body that comes while it is held arrives whole', async (t) => {
  const { port } = await startUpstream(t, ADDRESS, (request, response) => request.pipe(response));
  const { edge, wake } = await sleeping(t, port);
  const socket = connect(edge.address.port, edge.address.host);
  t.after(() => socket.destroy());
  let answer = '';
  socket.on('data', (bytes) => {
    answer += bytes.toString('latin1');
  });
  const body = Buffer.alloc(300_000, 'x');
  socket.write(`PUT / HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`);
  await until(() => edge.held === 1, 'it is held');
  socket.write(body);
  wake();
  await once(socket, 'close');
  assert.equal(statusOf(answer), 200);
  assert.ok(answer.includes('x'.repeat(10_000)));
});

it('a WebSocket wakes it too', async (t) => {
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  await new Promise<void>((done) => server.listen(0, ADDRESS, done));
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
  });
  const { edge, wake } = await sleeping(t, (server.address() as AddressInfo).port);
  const socket = new WebSocket(`ws://127.0.0.1:${edge.address.port}/`, { headers: { Host: HOST } });
  t.after(() => socket.terminate());
  await until(() => edge.held === 1, 'it is held');
  wake();
  await once(socket, 'open');
  socket.send('hello');
  assert.equal(String((await once(socket, 'message'))[0]), 'hello');
});

it('why it can not be woken is told to all who wait, and the next one tries again', async (t) => {
  const { port } = await startUpstream(t, ADDRESS, (_, response) => response.end('here'));
  const { edge, state, wake, fail, sleep } = await sleeping(t, port);
  const first = [exchange(edge, get(HOST)), exchange(edge, get(HOST))];
  await until(() => edge.held === 2, 'both are held');
  fail(new ArcError('at_capacity', 'no room right now'));
  for (const answer of await Promise.all(first)) {
    assert.equal(statusOf(answer), 503);
    assert.match(bodyOf(answer), /no room right now/);
  }
  sleep();
  const again = exchange(edge, get(HOST));
  await until(() => edge.held === 1, 'it is held');
  wake();
  assert.equal(bodyOf(await again), 'here');
  assert.equal(state.wakes, 2);
});

it('no more are held than the limits say, and none longer', async (t) => {
  const { port } = await startUpstream(t, ADDRESS, (_, response) => response.end('here'));
  const { edge } = await sleeping(t, port, { heldPerSandbox: 2, heldMs: 200 });
  const held = [exchange(edge, get(HOST)), exchange(edge, get(HOST))];
  await until(() => edge.held === 2, 'both are held');
  const refused = await exchange(edge, get(HOST));
  assert.equal(statusOf(refused), 503);
  assert.match(bodyOf(refused), /As many requests as can be held/);
  for (const answer of await Promise.all(held)) {
    assert.equal(statusOf(answer), 503);
    assert.match(answer, /^Retry-After: /im);
    assert.match(bodyOf(answer), /takes longer than usual/);
  }
  assert.equal(edge.held, 0);
});

it('a client that leaves is not waited for', async (t) => {
  const { port } = await startUpstream(t, ADDRESS, (_, response) => response.end('here'));
  const { edge } = await sleeping(t, port);
  const socket = connect(edge.address.port, edge.address.host);
  socket.write(get(HOST));
  await until(() => edge.held === 1, 'it is held');
  socket.destroy();
  await until(() => edge.held === 0, 'its place is free');
});

it('what goes to sleep as often as it is woken is not woken for ever', async (t) => {
  const { port } = await startUpstream(t, ADDRESS, (_, response) => response.end('here'));
  let wakes = 0;
  const waker = {
    wake: async () => {
      wakes += 1;
    },
  };
  const edge = await startEdge(t, {}, { waker });
  await edge.router.set(route('sb-aaaa', ADDRESS, port, { wakes: true, state: 'frozen', reason: 'hard-limit' }));
  assert.equal(statusOf(await exchange(edge, get(HOST))), 503);
  assert.ok(wakes > 1 && wakes < 10);
});

it('a connection stays over freezing; its bytes count as use, and its end does not', async (t) => {
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  await new Promise<void>((done) => server.listen(0, ADDRESS, done));
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const used: string[] = [];
  // Every use is told, as if a second lay between each two.
  let looks = 0;
  const monotonic = () => {
    looks += 1;
    return realClock.monotonic() + looks * 2_000;
  };
  const clock = { ...realClock, monotonic };
  const edge = await startEdge(t, {}, { clock, onActivity: (id) => used.push(id), waker: { wake: async () => {} } });
  const here = route('sb-aaaa', ADDRESS, port);
  await edge.router.set(here);
  const socket = new WebSocket(`ws://127.0.0.1:${edge.address.port}/`, { headers: { Host: HOST } });
  await once(socket, 'open');
  assert.equal(edge.connections('sb-aaaa'), 1);
  await edge.router.set({ ...here, state: 'frozen', reason: 'hard-limit', wakes: true });
  assert.equal(edge.connections('sb-aaaa'), 1);
  const before = used.length;
  socket.send('hello');
  await once(socket, 'message');
  assert.ok(used.length > before);
  const after = used.length;
  socket.terminate();
  await until(() => edge.connections('sb-aaaa') === 0, 'it is closed');
  assert.equal(used.length, after);
});
