import assert from 'node:assert/strict';
import { type AddressInfo, createServer, connect as plain } from 'node:net';
import { it, type TestContext } from 'node:test';
import { connect } from 'node:tls';
import { ArcError } from '../../../src/contract/errors.ts';
import { signAccess } from '../../../src/domain/access-token.ts';
import type { Route } from '../../../src/edge/router.ts';
import type { Waker } from '../../../src/server/service.ts';
import { certificateFolder, fixed, makeCertificate } from './certificates.ts';
import { route, startEdge, startRawUpstream, until } from './harness.ts';

const accessKey = new Uint8Array(32).fill(5);
const DOMAIN = 'sandboxes.test';

/** A program as challenges have them: it speaks first, then sends back what it gets. */
async function challenge(t: TestContext, more: Partial<Route> = {}, waker?: Waker) {
  const identity = makeCertificate(certificateFolder(t), 'one', DOMAIN);
  const certificates = fixed(identity);
  const tls = { listen: '127.0.0.1:0', certificates, hstsSeconds: 0, redirect: false };
  const edge = await startEdge(t, { requestHeadMs: 300 }, { domain: DOMAIN, accessKey, tls, ...(waker && { waker }) });
  let seen = '';
  const upstream = await startRawUpstream(t, '127.0.0.2', (socket) => {
    socket.write('name? ');
    socket.on('data', (bytes) => {
      seen += bytes.toString();
    });
    socket.pipe(socket);
  });
  const tcp = [upstream.port];
  await edge.router.set(route('sb-aaaa', '127.0.0.2', 80, { tcp, ...more }));
  const open = (port = upstream.port) => {
    const socket = connect({ ...edge.tlsAddress, servername: `${port}-sb-aaaa.${DOMAIN}`, ca: identity.cert });
    const state = { socket, text: '', closed: false };
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      state.text += bytes.toString();
    });
    socket.on('close', () => {
      state.closed = true;
    });
    return state;
  };
  return { edge, open, port: upstream.port, seen: () => seen };
}

it('a port that the template lists speaks its own protocol by TLS, both ways, and each end is passed on', async (t) => {
  const { open } = await challenge(t);
  const one = open();
  await until(() => one.text === 'name? ', 'the greeting');
  one.socket.end('\0\xff any bytes');
  await until(() => one.text.endsWith('any bytes') && one.closed, 'the echo and the end');
});

it('a port that is not listed is HTTP as ever', async (t) => {
  const { open } = await challenge(t);
  const other = open(9);
  other.socket.write(`GET / HTTP/1.1\r\nHost: 9-sb-none.${DOMAIN}\r\nConnection: close\r\n\r\n`);
  await until(() => other.text.startsWith('HTTP/1.1 404'), 'the answer');
});

it('where a token is asked for, it is the first line, and the program does not see it', async (t) => {
  const { open, port, seen } = await challenge(t, { access: 'token' });
  const token = signAccess(accessKey, { id: 'sb-aaaa', port, expiresAt: Date.now() + 60_000 });
  const good = open();
  good.socket.write(token.slice(0, 10));
  good.socket.write(`${token.slice(10)}\r\nada\n`);
  await until(() => good.text.includes('name? ') && good.text.endsWith('ada\n'), 'the answer');
  good.socket.destroy();
  assert.equal(seen(), 'ada\n');
  for (const first of ['wrong\n', `${'x'.repeat(600)}`, '\n']) {
    const bad = open();
    bad.socket.write(first);
    await until(() => bad.closed, 'the end');
    assert.match(bad.text, /^A token for this sandbox/);
  }
  const silent = open();
  await until(() => silent.closed, 'the end of who says nothing');
  assert.equal(seen(), 'ada\n');
});

it('a sandbox that stops or starts anew cuts its connections; one that is stopped says so', async (t) => {
  const { edge, open, port } = await challenge(t);
  const held = open();
  await until(() => held.text === 'name? ', 'the greeting');
  await edge.router.set(route('sb-aaaa', '127.0.0.2', 80, { tcp: [port], state: 'stopped', reason: 'exit' }));
  await until(() => held.closed, 'the cut');
  const late = open();
  await until(() => late.closed, 'the end');
  assert.match(late.text, /stopped/);
  await edge.router.set(route('sb-aaaa', '127.0.0.2', 80, { tcp: [port], state: 'frozen', reason: 'soft-limit' }));
  const early = open();
  await until(() => early.closed, 'the end');
  assert.match(early.text, /frozen/);
});

it('a connection wakes a parked sandbox, once for all of them, and only with the token where one is asked for', async (t) => {
  let wakes = 0;
  let wake = async () => {};
  const waker = {
    wake: async () => {
      wakes += 1;
      await wake();
    },
  };
  const parked = { state: 'stopped', reason: 'idle', wakes: true, access: 'token' } as unknown as Partial<Route>;
  const { edge, open, port, seen } = await challenge(t, parked, waker);
  const asleep = Promise.withResolvers<void>();
  wake = async () => {
    await asleep.promise;
    await edge.router.set(route('sb-aaaa', '127.0.0.2', 80, { tcp: [port], access: 'token', incarnation: 2 }));
  };
  const stranger = open();
  stranger.socket.write('wrong\n');
  await until(() => stranger.closed, 'the refusal');
  assert.equal(wakes, 0);
  const token = signAccess(accessKey, { id: 'sb-aaaa', port, expiresAt: Date.now() + 60_000 });
  const clients = [open(), open()];
  for (const { socket } of clients) socket.write(`${token}\nada\n`);
  await until(() => edge.held === 2, 'both held');
  asleep.resolve();
  for (const client of clients) await until(() => client.text.endsWith('ada\n'), 'the echo');
  assert.equal(wakes, 1);
  assert.equal(seen(), 'ada\nada\n');
});

it('who waits for a sandbox that can not be woken is told why', async (t) => {
  const waker = { wake: () => Promise.reject(new ArcError('at_capacity', 'There is no room on this machine.')) };
  const parked = { state: 'stopped', reason: 'idle', wakes: true } as unknown as Partial<Route>;
  const { open } = await challenge(t, parked, waker);
  const client = open();
  await until(() => client.closed, 'the end');
  assert.equal(client.text, 'There is no room on this machine.\n');
});

it('a port of this machine leads to the sandbox that has it, wakes it, and to nobody once it is gone', async (t) => {
  const free = await freePort();
  const edge = await startEdge(t, { requestHeadMs: 300 }, { accessKey, tcpPorts: { first: free, last: free } });
  const upstream = await startRawUpstream(t, '127.0.0.2', (socket) => socket.pipe(socket));
  const tcp = [upstream.port];
  const speak = async (text: string) => {
    const socket = plain(free, '127.0.0.1', () => socket.end(text));
    let answer = '';
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      answer += bytes.toString();
    });
    await new Promise((done) => socket.on('close', done));
    return answer;
  };
  assert.equal(await speak('nobody has it\n'), '');
  const tcpPorts = { [upstream.port]: free };
  await edge.router.set(route('sb-aaaa', '127.0.0.2', 80, { tcp, tcpPorts }));
  assert.equal(await speak('hello\n'), 'hello\n');
  await edge.router.set(route('sb-aaaa', '127.0.0.2', 80, { tcp, tcpPorts, access: 'token' }));
  assert.match(await speak('wrong\n'), /^A token/);
  const token = signAccess(accessKey, { id: 'sb-aaaa', port: upstream.port, expiresAt: Date.now() + 60_000 });
  assert.equal(await speak(`${token}\nhello\n`), 'hello\n');
  await edge.router.set(route('sb-aaaa', '127.0.0.2', 80, { state: 'removed', reason: 'user' }));
  assert.equal(await speak('hello\n'), '');
  await assert.rejects(startEdge(t, {}, { tcpPorts: { first: free, last: free } }), { code: 'port_in_use' });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
