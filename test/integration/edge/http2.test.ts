import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, constants, type OutgoingHttpHeaders } from 'node:http2';
import { it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { h2Head } from '../../../src/edge/front/h2-request.ts';
import { h2Fields } from '../../../src/edge/front/h2-response.ts';
import { requestHeaders } from '../../../src/edge/headers.ts';
import { certificateFolder, fixed, makeCertificate } from './certificates.ts';
import { answering, route, startEdge, startRawUpstream, startUpstream, until } from './harness.ts';

const DOMAIN = 'sandboxes.test';
const HOST = `sb-aaaa.${DOMAIN}`;

async function http2Edge(t: TestContext) {
  const identity = makeCertificate(certificateFolder(t), 'one', DOMAIN);
  const edge = await startEdge(
    t,
    {},
    { domain: DOMAIN, tls: { listen: '127.0.0.1:0', certificates: fixed(identity), hstsSeconds: 0, redirect: false } },
  );
  const session = connect(`https://${HOST}:${edge.tlsAddress.port}`, {
    ca: identity.cert,
    lookup: (_name, options, done) =>
      (options as { all?: boolean }).all
        ? (done as (e: null, list: unknown[]) => void)(null, [{ address: '127.0.0.1', family: 4 }])
        : done(null, '127.0.0.1', 4),
  });
  t.after(() => session.destroy());
  await once(session, 'connect');
  return { edge, session };
}

interface Answer {
  readonly headers: Record<string, string | string[] | undefined>;
  readonly trailers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

async function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: string): Promise<Answer> {
  const stream = session.request({ ':authority': HOST, ...headers }, { endStream: body === undefined });
  let text = '';
  let trailers = {};
  stream.setEncoding('latin1');
  stream.on('data', (chunk) => {
    text += chunk;
  });
  stream.on('trailers', (found) => {
    trailers = found;
  });
  const answered = once(stream, 'response');
  const closed = once(stream, 'close');
  if (body !== undefined) stream.end(body);
  const [found] = await answered;
  await closed;
  return { headers: found, trailers, body: text };
}

it('requests of HTTP/2 reach the sandbox as HTTP/1.1, with bodies, cookies and who asked', async (t) => {
  const { edge, session } = await http2Edge(t);
  const upstream = await startUpstream(t, '127.0.0.2', async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { method, url, headers } = request;
    response.setHeader('Set-Cookie', ['a=1; Domain=sandboxes.test', 'arc_x=1', 'b=2']);
    response.end(JSON.stringify({ method, url, headers, body }));
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const answer = await ask(
    session,
    { ':method': 'POST', ':path': '/a?b', cookie: ['x=1', 'arc_key=2', 'y=3'], 'x-forwarded-for': '9.9.9.9' },
    'hello',
  );
  assert.equal(answer.headers[':status'], 200);
  assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2']);
  const seen = JSON.parse(answer.body);
  assert.deepEqual([seen.method, seen.url, seen.body], ['POST', '/a?b', 'hello']);
  assert.equal(seen.headers.host, HOST);
  assert.equal(seen.headers.cookie, 'x=1; y=3');
  assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(seen.headers['x-forwarded-proto'], 'https');
  const sized = await ask(session, { ':method': 'PUT', ':path': '/', 'content-length': '2' }, 'ok');
  assert.equal(JSON.parse(sized.body).headers['content-length'], '2');
});

it('a hundred requests at once on one connection each get their own answer', async (t) => {
  const { edge, session } = await http2Edge(t);
  const upstream = await startUpstream(t, '127.0.0.2', (request, response) => response.end(request.url));
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const paths = Array.from({ length: 100 }, (_, n) => `/${n}`);
  const answers = await Promise.all(paths.map((path) => ask(session, { ':path': path })));
  assert.deepEqual(
    answers.map(({ body }) => body),
    paths,
  );
});

it('headers of the connection stay behind, doubled ones do no harm, and trailers come through', async (t) => {
  const { edge, session } = await http2Edge(t);
  const lines = [
    'HTTP/1.1 200 OK',
    'Transfer-Encoding: chunked',
    'Connection: keep-alive, X-Hop',
    'X-Hop: 1',
    'Content-Type: a/b',
    'Content-Type: c/d',
    'Vary: A',
    'Vary: B',
  ];
  const upstream = await startRawUpstream(
    t,
    '127.0.0.2',
    answering(`${lines.join('\r\n')}\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n`),
  );
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const { headers, trailers, body } = await ask(session, { ':path': '/' });
  assert.equal(body, 'ok');
  assert.equal(headers['content-type'], 'a/b');
  assert.equal(headers.vary, 'A, B');
  assert.equal(headers.connection ?? headers['x-hop'] ?? headers['transfer-encoding'], undefined);
  assert.equal(trailers['x-sum'], '7');
});

it('answers without a body end with their header, and errors of the edge are answers', async (t) => {
  const { edge, session } = await http2Edge(t);
  const upstream = await startUpstream(t, '127.0.0.2', (request, response) => {
    if (request.url === '/none') response.writeHead(204);
    else response.setHeader('Content-Length', 4);
    response.end(request.url === '/none' ? undefined : 'body');
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  assert.equal((await ask(session, { ':path': '/none' })).headers[':status'], 204);
  const head = await ask(session, { ':method': 'HEAD', ':path': '/' });
  assert.deepEqual([head.headers['content-length'], head.body], ['4', '']);
  const unknown = await ask(session, { ':path': '/', ':authority': `sb-none.${DOMAIN}` });
  assert.equal(unknown.headers[':status'], 404);
  assert.equal(JSON.parse(unknown.body).code, 'sandbox_not_found');
  assert.equal((await ask(session, { ':path': '/', ':authority': 'other.test' })).headers[':status'], 421);
  const many = Object.fromEntries(Array.from({ length: 202 }, (_, n) => [`x-${n}`, '1']));
  assert.equal((await ask(session, { ':path': '/', ...many })).headers[':status'], 431);
});

it('a sandbox that breaks off in the middle breaks off the stream, and the connection goes on', async (t) => {
  const { edge, session } = await http2Edge(t);
  const upstream = await startRawUpstream(t, '127.0.0.2', (socket) => {
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'));
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const stream = session.request({ ':authority': HOST, ':path': '/' });
  stream.resume();
  const failed = once(stream, 'error');
  await failed;
  assert.equal(stream.rstCode, constants.NGHTTP2_INTERNAL_ERROR);
  assert.equal((await ask(session, { ':path': '/', ':authority': `sb-none.${DOMAIN}` })).headers[':status'], 404);
});

it('a client that resets its stream ends the request at the sandbox', async (t) => {
  const { edge, session } = await http2Edge(t);
  let ended = false;
  const upstream = await startRawUpstream(t, '127.0.0.2', (socket) => {
    socket.resume();
    socket.on('close', () => {
      ended = true;
    });
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port));
  const stream = session.request({ ':authority': HOST, ':path': '/' });
  stream.on('error', () => {});
  await until(() => upstream.connections() === 1, 'the request');
  stream.close(constants.NGHTTP2_CANCEL);
  await until(() => ended, 'the end at the sandbox');
});

it('whatever the frames carry, a sandbox gets one proper request of HTTP/1.1 or none', () => {
  const text = fc.oneof(
    fc.constantFrom('GET', '/', '/ HTTP/1.1\r\nX: y', 'a\r\nb', '0', '5', 'chunked', 'sb-aaaa.localhost', '\0', ''),
    fc.string({ maxLength: 20 }),
  );
  const name = fc.oneof(
    fc.constantFrom(':method', ':path', ':authority', 'host', 'cookie', 'content-length', 'transfer-encoding', 'te'),
    fc.string({ maxLength: 8 }),
  );
  const base = [':method', 'POST', ':path', '/', ':authority', HOST];
  fc.assert(
    fc.property(
      fc.array(fc.tuple(name, text), { maxLength: 6 }),
      fc.boolean(),
      fc.boolean(),
      (pairs, whole, bodiless) => {
        let head: ReturnType<typeof h2Head>;
        try {
          head = h2Head([...(whole ? base : []), ...pairs.flat()], bodiless);
        } catch {
          return;
        }
        const found = requestHeaders(head.rawHeaders, undefined);
        if (found.fault !== undefined) return;
        const request = `${head.method} ${head.url} HTTP/1.1\r\n${found.lines}${found.framing}\r\n`;
        assert.match(
          request,
          /^[!-~]+ [!-~\x80-\xff]+ HTTP\/1\.1\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t\x20-\x7e\x80-\xff]*\r\n)*\r\n$/,
        );
        assert.equal(found.hostCount, 1);
        assert.ok(!(/content-length/i.test(request) && /transfer-encoding/i.test(request)), request);
        if (!bodiless) assert.ok(found.framing !== '');
      },
    ),
    { numRuns: 2_000 },
  );
});

it('fields of an answer become what HTTP/2 can carry, whatever their names', () => {
  const word = fc.oneof(
    fc.constantFrom('Content-Type', 'Set-Cookie', '__proto__', 'constructor', 'Connection'),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(word), (headers) => {
      const fields = h2Fields(headers);
      assert.ok(!('connection' in fields));
      if ('content-type' in fields) assert.equal(typeof fields['content-type'], 'string');
    }),
  );
});
