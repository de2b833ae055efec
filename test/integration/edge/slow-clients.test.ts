import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { it } from 'node:test';
import { clientOf } from '../../../src/edge/front/clients.ts';
import { exchange, get, route, startEdge, startRawUpstream, startUpstream, statusOf, until } from './harness.ts';

it('a body that stands still before the answer has begun is given up: 408, and the sandbox is let go', async (t) => {
  const edge = await startEdge(t, { clientStallMs: 100 });
  let ended = false;
  const upstream = await startRawUpstream(t, '127.0.0.2', (socket) => {
    socket.resume();
    socket.on('close', () => {
      ended = true;
    });
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const answer = await exchange(edge, 'POST / HTTP/1.1\r\nHost: sb-aaaa.localhost\r\nContent-Length: 9\r\n\r\nhalf');
  assert.equal(statusOf(answer), 408);
  assert.match(answer, /Connection: close/);
  await until(() => ended, 'the end at the sandbox');
});

it('a body that is slow but moves is taken, and so is one whose sandbox is the slow one', async (t) => {
  const edge = await startEdge(t, { clientStallMs: 150 });
  const upstream = await startUpstream(t, '127.0.0.2', async (request, response) => {
    let length = 0;
    for await (const chunk of request) length += (chunk as Buffer).length;
    response.end(String(length));
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const socket = connect(edge.address.port, edge.address.host);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  socket.write('POST / HTTP/1.1\r\nHost: sb-aaaa.localhost\r\nContent-Length: 8\r\n\r\n');
  let sent = 0;
  const timer = setInterval(() => {
    socket.write('x');
    sent += 1;
    if (sent === 8) clearInterval(timer);
  }, 50);
  await until(() => /\r\n\r\n8$/.test(text), 'the answer');
  socket.destroy();
});

it('an answer that its client does not take is broken off', async (t) => {
  const edge = await startEdge(t, { clientStallMs: 100 });
  let ended = false;
  const upstream = await startUpstream(t, '127.0.0.2', (_request, response) => {
    response.on('close', () => {
      ended = true;
    });
    const push = () => {
      while (response.write(Buffer.alloc(65_536))) {}
    };
    response.on('drain', push);
    push();
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const socket = connect(edge.address.port, edge.address.host);
  socket.on('error', () => {});
  socket.write(get('sb-aaaa.localhost'));
  socket.pause();
  await until(() => ended, 'the end at the sandbox');
  socket.destroy();
});

it('one client has so many connections at most, and takes none from others', async (t) => {
  const edge = await startEdge(t, { connectionsPerLocalClient: 2 });
  const held = [0, 1].map(() => connect(edge.address.port, edge.address.host));
  await Promise.all(held.map((socket) => once(socket, 'connect')));
  for (const socket of held) {
    socket.write(get('localhost').replace('close', 'keep-alive'));
    await once(socket, 'data');
  }
  assert.equal(await exchange(edge, get('localhost')), '');
  const other = connect({ ...edge.address, localAddress: '127.0.0.77' });
  other.write(get('localhost'));
  const [answer] = await once(other, 'data');
  assert.equal(statusOf(String(answer)), 404);
  held[0]?.destroy();
  let status = Number.NaN;
  while (Number.isNaN(status)) status = statusOf(await exchange(edge, get('localhost')));
  assert.equal(status, 404);
  held[1]?.destroy();
});

it('a client is an IPv4 address or an IPv6 /64', () => {
  assert.equal(clientOf('::ffff:192.0.2.7'), '192.0.2.7');
  assert.equal(clientOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(clientOf('2001:db8:1:2::6'), '2001:db8:1:2::/64');
  assert.equal(clientOf('2001:db8::6'), '2001:db8:0:0::/64');
  assert.equal(clientOf('fe80::1%eth0'), 'fe80:0:0:0::/64');
  assert.equal(clientOf('::1'), '::1');
  assert.equal(clientOf(undefined), 'unknown');
});

/** Attacks of Debian's slowhttptest: headers that never end, bodies that never end, answers read byte by byte. */
const ATTACKERS = 60;
const LARGE = Buffer.alloc(6_000_000);
const ATTACKS = { slowloris: ['-H'], 'slow bodies': ['-B', '-s', '8192'], 'slow reading': ['-X'] };
for (const [name, kind] of Object.entries(ATTACKS)) {
  it(`under ${name}, others are answered, and the attacker's connections end`, async (t) => {
    const edge = await startEdge(t, { requestHeadMs: 1_000, clientStallMs: 1_000, clientIdleMs: 1_000 });
    let [seen, open] = [0, 0];
    const upstream = await startUpstream(t, '127.0.0.2', (request, response) => {
      request.resume();
      if (request.url !== '/quick') {
        seen += 1;
        open += 1;
        response.on('close', () => {
          open -= 1;
        });
      }
      request.on('end', () => response.end(request.url === '/quick' ? 'quick' : LARGE));
    });
    await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
    const url = `http://127.0.0.1:${edge.address.port}/_sb/sb-aaaa/`;
    const attacker = spawn(
      'slowhttptest',
      [...kind, '-c', String(ATTACKERS), '-r', '60', '-i', '3', '-l', '20', '-u', url],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    let report = '';
    attacker.stdout.on('data', (chunk) => {
      report += String(chunk).replace(/\x1b\[[0-9;]*m/g, '');
    });
    const ended = once(attacker, 'exit');
    let over = false;
    void ended.then(() => {
      over = true;
    });
    // A reader that waits a second between two reads is long in noticing: then the sandbox is asked instead.
    const reads = name === 'slow reading';
    for (let answered = 0; !over && !(reads && seen >= ATTACKERS && open === 0); answered += 1) {
      assert.match(await exchange(edge, get('sb-aaaa.localhost', '/quick')), /quick$/, `after ${answered}`);
    }
    attacker.kill('SIGKILL');
    await ended;
    if (reads) assert.deepEqual([seen >= ATTACKERS, open], [true, 0]);
    else assert.match(report, /No open connections left/, report.slice(-1_000));
  });
}
