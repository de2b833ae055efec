import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { it, type TestContext } from 'node:test';
import type { Edge } from '../../../src/edge/edge.ts';
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

async function behind(t: TestContext, listener: import('node:http').RequestListener): Promise<Edge> {
  const edge = await startEdge(t);
  const upstream = await startUpstream(t, '127.0.0.2', listener);
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  return edge;
}

const options = (edge: Edge, more: object = {}) => ({
  host: edge.address.host,
  port: edge.address.port,
  headers: { Host: 'sb-aaaa.localhost' },
  ...more,
});

it('server-sent events arrive one by one, and the header before the first', async (t) => {
  let send: (text: string) => void = () => {};
  let gone = false;
  const edge = await behind(t, (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.flushHeaders();
    send = (text) => response.write(text);
    response.on('close', () => {
      gone = true;
    });
  });
  const request = httpRequest(options(edge)).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  assert.equal(response.headers['content-type'], 'text/event-stream');
  for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
    send(event);
    assert.equal(String((await once(response, 'data'))[0]), event);
  }
  response.on('error', () => {});
  request.destroy();
  await until(() => gone, 'the sandbox sees that the client left');
});

it('a client that leaves before the answer, or during its own body, is seen by the sandbox', async (t) => {
  let gone = 0;
  let came = 0;
  const edge = await behind(t, (request, response) => {
    came += 1;
    request.resume();
    response.on('close', () => {
      gone += 1;
    });
  });
  for (const more of [{}, { method: 'POST', headers: { Host: 'sb-aaaa.localhost', 'Content-Length': '1000' } }]) {
    const before = came;
    const request = httpRequest(options(edge, more));
    request.on('error', () => {});
    if ('method' in more) request.write('part');
    else request.end();
    await until(() => came > before, 'the request arrived');
    request.destroy();
    await until(() => gone === came, 'the sandbox sees that the client left');
  }
});

it('a sandbox that breaks off breaks off the connection of its client', async (t) => {
  const edge = await behind(t, (_request, response) => {
    response.writeHead(200, { 'Content-Length': '1000' });
    response.write('part', () => response.destroy());
  });
  const request = httpRequest(options(edge)).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  await assert.rejects(async () => {
    for await (const _ of response);
  }, /aborted/);
});

it('the body of a request arrives piece by piece, before its end', async (t) => {
  const pieces: string[] = [];
  const edge = await behind(t, (request, response) => {
    request.on('data', (bytes) => pieces.push(String(bytes)));
    request.on('end', () => response.end(pieces.join('|')));
  });
  const request = httpRequest(options(edge, { method: 'POST' }));
  const response = once(request, 'response') as Promise<[IncomingMessage]>;
  for (const piece of ['one', 'two']) {
    request.write(piece);
    await until(() => pieces.includes(piece), piece);
  }
  request.end();
  assert.equal(String(await (await response)[0].toArray()), 'one|two');
});

it('trailers pass both ways', async (t) => {
  const edge = await behind(t, (request, response) => {
    request.resume();
    request.on('end', () => {
      response.writeHead(200, { Trailer: 'X-Sum' });
      response.write('body');
      response.addTrailers({ 'X-Sum': `of ${request.trailers['x-client']}` });
      response.end();
    });
  });
  const bytes = [
    'POST / HTTP/1.1',
    'Host: sb-aaaa.localhost',
    'Connection: close',
    'Transfer-Encoding: chunked',
    '',
    '4\r\nbody',
    '0\r\nX-Client: c\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n',
  ].join('\r\n');
  const answer = await exchange(edge, bytes);
  assert.match(answer, /\r\n0\r\nX-Sum: of c\r\n\r\n$/);
});

it('a client that waits for 100 Continue gets it when the sandbox says so, and its body arrives whole', async (t) => {
  const edge = await behind(t, (request, response) => {
    request.toArray().then(
      (parts) => response.end(Buffer.concat(parts)),
      () => {},
    );
  });
  const request = httpRequest(
    options(edge, {
      method: 'PUT',
      headers: { Host: 'sb-aaaa.localhost', Expect: '100-continue', 'Content-Length': '5' },
    }),
  );
  request.flushHeaders();
  await once(request, 'continue');
  request.end('hello');
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  assert.equal(String(await response.toArray()), 'hello');
});

it('a client that waits for 100 Continue gets it after a while when the sandbox knows nothing of it', async (t) => {
  const edge = await startEdge(t, { continueMs: 30 });
  const upstream = await startRawUpstream(t, '127.0.0.2', (socket) => {
    socket.on('data', (bytes) => {
      if (bytes.toString().endsWith('hello')) socket.end('HTTP/1.0 200 OK\r\n\r\ntaken');
    });
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const request = httpRequest(
    options(edge, {
      method: 'PUT',
      headers: { Host: 'sb-aaaa.localhost', Expect: '100-continue', 'Content-Length': '5' },
    }),
  );
  request.flushHeaders();
  await once(request, 'continue');
  request.end('hello');
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  assert.equal(String(await response.toArray()), 'taken');
});

it('a refusal instead of 100 Continue reaches the client without its body', async (t) => {
  const edge = await startEdge(t);
  const upstream = await startRawUpstream(t, '127.0.0.2', answering('HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n'));
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const bytes = 'PUT / HTTP/1.1\r\nHost: sb-aaaa.localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n';
  const answer = await exchange(edge, bytes);
  assert.equal(statusOf(answer), 417);
  assert.match(answer, /Connection: close/);
});

it('early hints pass, to clients of HTTP/1.1 only', async (t) => {
  const edge = await behind(t, (_request, response) => {
    response.writeEarlyHints({ link: '</a.css>; rel=preload; as=style' }, () => response.end('page'));
  });
  const answer = await exchange(edge, get('sb-aaaa.localhost'));
  assert.match(
    answer,
    /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a\.css>; rel=preload; as=style\r\n\r\nHTTP\/1\.1 200 OK/i,
  );
  assert.equal(statusOf(await exchange(edge, 'GET / HTTP/1.0\r\nHost: sb-aaaa.localhost\r\n\r\n')), 200);
});

it('answers without a body keep their length and end at their header', async (t) => {
  const edge = await startEdge(t);
  const upstream = await startRawUpstream(
    t,
    '127.0.0.2',
    answering((head) => {
      if (head.startsWith('HEAD')) return 'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n';
      if (head.includes('/304')) return 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n';
      if (head.includes('/204')) return 'HTTP/1.1 204 No Content\r\n\r\n';
      return 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
    }),
  );
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const keep = (method: string, path: string) => `${method} ${path} HTTP/1.1\r\nHost: sb-aaaa.localhost\r\n\r\n`;
  const bytes =
    keep('HEAD', '/') + keep('GET', '/304') + keep('GET', '/204') + keep('GET', '/') + get('sb-aaaa.localhost');
  const answer = await exchange(edge, bytes);
  assert.deepEqual(
    [...answer.matchAll(/HTTP\/1\.1 ([0-9]+)/g)].map((match) => match[1]),
    ['200', '304', '204', '200', '200'],
  );
  assert.match(answer, /Content-Length: 500/);
  assert.doesNotMatch(answer, /Transfer-Encoding/);
});

it('clients of HTTP/1.0 get bodies without chunks, ended by the end of the connection', async (t) => {
  const edge = await behind(t, (_request, response) => {
    response.write('one ');
    response.end('two');
  });
  const answer = await exchange(edge, 'GET / HTTP/1.0\r\nHost: sb-aaaa.localhost\r\n\r\n');
  assert.equal(bodyOf(answer), 'one two');
  assert.doesNotMatch(answer, /chunked/);
});

it('fields that were for the hop to the edge do not reach the client', async (t) => {
  const edge = await startEdge(t);
  const fields = [
    'Connection: X-Hop, keep-alive',
    'X-Hop: 1',
    'Keep-Alive: timeout=1',
    'Proxy-Authenticate: x',
    'X-Kept: 1',
    'Set-Cookie: a=1',
    'Set-Cookie: b=2',
  ];
  const reply = `HTTP/1.1 200 Fine\r\nContent-Length: 0\r\n${fields.join('\r\n')}\r\n\r\n`;
  const upstream = await startRawUpstream(t, '127.0.0.2', answering(reply));
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const answer = await exchange(edge, get('sb-aaaa.localhost'));
  assert.doesNotMatch(answer, /X-Hop|timeout=1|Proxy-Auth/);
  assert.match(answer, /^HTTP\/1\.1 200 Fine\r\nX-Kept: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n/);
});

it("a sandbox can set no cookie of Arc's and none for its neighbours; by path, cookies and redirects stay below it", async (t) => {
  const edge = await behind(t, (_request, response) => {
    response.setHeader('Set-Cookie', ['arc_session=evil', 'a=1; Domain=localhost; HttpOnly', 'b=2; Path=/app; Secure']);
    response.writeHead(302, { Location: '/login?x' });
    response.end();
  });
  const byHost = await exchange(edge, get('sb-aaaa.localhost'));
  assert.deepEqual(
    [...byHost.matchAll(/Set-Cookie: (.*)\r/g)].map((match) => match[1]),
    ['a=1; HttpOnly', 'b=2; Path=/app; Secure'],
  );
  assert.match(byHost, /Location: \/login\?x\r/);
  const byPath = await exchange(edge, get('localhost', '/_sb/sb-aaaa/'));
  assert.deepEqual(
    [...byPath.matchAll(/Set-Cookie: (.*)\r/g)].map((match) => match[1]),
    ['a=1; HttpOnly; Path=/_sb/sb-aaaa/', 'b=2; Secure; Path=/_sb/sb-aaaa/app'],
  );
  assert.match(byPath, /Location: \/_sb\/sb-aaaa\/login\?x\r/);
  assert.match(byPath, /Content-Security-Policy: sandbox /);
});

it('200 clients at once, each kept alive, all get their own answers over few connections', async (t) => {
  const edge = await startEdge(t);
  const ports = new Set<number | undefined>();
  const upstream = await startUpstream(t, '127.0.0.2', (request, response) => {
    ports.add(request.socket.remotePort);
    response.end(request.url);
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const agent = new Agent({ keepAlive: true, maxSockets: 200 });
  t.after(() => agent.destroy());
  const one = async (client: number) => {
    for (let turn = 0; turn < 10; turn += 1) {
      const request = httpRequest(options(edge, { agent, path: `/${client}/${turn}` })).end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      assert.equal(String(await response.toArray()), `/${client}/${turn}`);
    }
  };
  await Promise.all(Array.from({ length: 200 }, (_, client) => one(client)));
  assert.ok(ports.size < 1_000, `${ports.size} connections for 2000 requests`);
});

it('a client that reads slowly holds up its sandbox and not the memory of the edge', async (t) => {
  const piece = Buffer.alloc(64 * 1024);
  let sent = 0;
  const edge = await behind(t, (_request, response) => {
    const push = () => {
      while (!response.destroyed) {
        sent += piece.length;
        if (!response.write(piece)) break;
      }
    };
    response.on('drain', push);
    push();
  });
  const client = connect(edge.address.port, edge.address.host);
  client.write(get('sb-aaaa.localhost'));
  await once(client, 'readable');
  let last = -1;
  await until(() => {
    const still = sent === last;
    last = sent;
    return still;
  }, 'the sandbox is held up');
  assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes went into a client that reads nothing`);
  client.destroy();
});
