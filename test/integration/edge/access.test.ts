import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { signAccess } from '../../../src/domain/access-token.ts';
import { fromQuery, localPath, placeOf } from '../../../src/edge/access/credentials.ts';
import type { Destination } from '../../../src/edge/resolve.ts';
import { answering, bodyOf, exchange, get, route, startEdge, startRawUpstream, statusOf } from './harness.ts';

const accessKey = new Uint8Array(32).fill(3);
const HOUR = 3_600_000;
const tokenFor = (id: string, port?: number, expiresAt = Date.now() + HOUR) =>
  signAccess(accessKey, { id, port, expiresAt });
const BROWSER = 'Accept: text/html';

async function guarded(t: TestContext, access: 'token' | Record<string, 'open' | 'token'> = 'token', key = true) {
  const edge = await startEdge(t, {}, key ? { accessKey } : {});
  let seen = '';
  const upstream = await startRawUpstream(t, '127.0.0.2', (socket) => {
    answering((head) => {
      seen += head;
      return 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
    })(socket);
  });
  await edge.router.set(route('sb-aaaa', '127.0.0.2', upstream.port, { access }));
  return { edge, seen: () => seen, port: upstream.port };
}

it('without a token a program gets 401 and a person a page to sign in at; the sandbox sees nothing', async (t) => {
  const { edge, seen } = await guarded(t);
  const program = await exchange(edge, get('sb-aaaa.localhost'));
  assert.equal(statusOf(program), 401);
  assert.equal(JSON.parse(bodyOf(program)).code, 'access_token_required');
  const page = await exchange(edge, get('sb-aaaa.localhost', '/deep?x="<b>', [BROWSER]));
  assert.equal(statusOf(page), 401);
  assert.match(page, /<form method="post" action="\/\.arc\/sign-in">/);
  assert.match(page, /value="\/deep\?x=&quot;&lt;b&gt;"/);
  const upgrade = await exchange(edge, get('sb-aaaa.localhost', '/', ['Upgrade: websocket', 'Connection: Upgrade']));
  assert.equal(statusOf(upgrade), 401);
  assert.equal(seen(), '');
});

it('a stopped sandbox tells its story only to who may reach it', async (t) => {
  const edge = await startEdge(t, {}, { accessKey });
  const stopped = { state: 'stopped', reason: 'exit', detail: 'exit code 3', access: 'token' } as const;
  await edge.router.set(route('sb-aaaa', '127.0.0.2', 80, stopped));
  assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost'))), 401);
  assert.match(
    await exchange(edge, get('sb-aaaa.localhost', '/', [`Arc-Token: ${tokenFor('sb-aaaa')}`])),
    /exit code 3/,
  );
});

it('a program gets through with its token in a header, which the sandbox does not see', async (t) => {
  const { edge, seen } = await guarded(t);
  const token = tokenFor('sb-aaaa');
  assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost', '/', [`Arc-Token: ${token}`]))), 200);
  assert.ok(!seen().includes(token.slice(-20)), seen());
});

it('a link signs a browser in: its token goes into a cookie of that host, and neither reaches the sandbox', async (t) => {
  const { edge, seen } = await guarded(t);
  const token = tokenFor('sb-aaaa');
  const first = await exchange(edge, get('sb-aaaa.localhost', `/a?b=1&arc-token=${token}&c=2`, [BROWSER]));
  assert.equal(statusOf(first), 303);
  assert.match(first, /\r\nLocation: \/a\?b=1&c=2\r\n/);
  const cookie = /Set-Cookie: (arc_access=[^;]+); Path=\/; Max-Age=3[0-9]{3}; HttpOnly; SameSite=Lax\r\n/.exec(
    first,
  )?.[1];
  assert.ok(cookie, first);
  const second = await exchange(edge, get('sb-aaaa.localhost', '/a', [`Cookie: x=1; ${cookie}`]));
  assert.equal(statusOf(second), 200);
  const post = get('sb-aaaa.localhost', `/hook?arc-token=${token}`).replace('GET', 'POST');
  assert.equal(statusOf(await exchange(edge, post)), 200);
  assert.match(seen(), /POST \/hook HTTP/);
  assert.ok(!seen().includes('arc') || !seen().includes(token.slice(-20)), seen());
});

it('the page takes a token and leads back to where one was; it leads nowhere else', async (t) => {
  const { edge } = await guarded(t);
  const post = (form: string) =>
    `POST /.arc/sign-in HTTP/1.1\r\nHost: sb-aaaa.localhost\r\nConnection: close\r\nContent-Length: ${form.length}\r\n\r\n${form}`;
  const token = tokenFor('sb-aaaa');
  const good = await exchange(edge, post(`token=+${token}&next=%2Fdeep%3Fx%3D1`));
  assert.equal(statusOf(good), 303);
  assert.match(good, /Location: \/deep\?x=1\r\n.*Set-Cookie: arc_access=/s);
  assert.match(await exchange(edge, post(`token=${token}&next=%2F%2Felsewhere.test`)), /Location: \/\r\n/);
  assert.match(await exchange(edge, post(`token=${token}&next=%2Fa%0D%0AX%3A1`)), /Location: \/\r\n/);
  const bad = await exchange(edge, post('token=wrong&next=/deep'));
  assert.equal(statusOf(bad), 401);
  assert.match(bad, /not valid.*value="\/deep"/s);
  assert.equal(statusOf(await exchange(edge, post(`token=${token}&pad=${'x'.repeat(5_000)}`))), 401);
});

it('a token of another sandbox, of another port, of the past or of another key opens nothing', async (t) => {
  const { edge, seen } = await guarded(t);
  const wrong = [
    tokenFor('sb-bbbb'),
    tokenFor('sb-aaaa', 1),
    tokenFor('sb-aaaa', undefined, Date.now() - 1_000),
    signAccess(new Uint8Array(32), { id: 'sb-aaaa', port: undefined, expiresAt: Date.now() + HOUR }),
  ];
  for (const token of wrong) {
    for (const line of [`Arc-Token: ${token}`, `Cookie: arc_access=${token}`]) {
      assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost', '/', [line]))), 401, line);
    }
    assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost', `/?arc-token=${token}`))), 401);
  }
  assert.equal(seen(), '');
  // A forged cookie that a neighbour sets for the whole domain stands beside the good one and does not hide it.
  const both = `Cookie: arc_access=${wrong[0]}; arc_access=${tokenFor('sb-aaaa')}`;
  assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost', '/', [both]))), 200);
});

it('an edge without a key lets nobody through to a sandbox that asks for a token', async (t) => {
  const { edge } = await guarded(t, 'token', false);
  assert.equal(
    statusOf(await exchange(edge, get('sb-aaaa.localhost', '/', [`Arc-Token: ${tokenFor('sb-aaaa')}`]))),
    401,
  );
});

it('a rule by port opens what it names, and closes the rest', async (t) => {
  const { edge, port } = await guarded(t, {});
  assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost'))), 401);
  await edge.router.set(route('sb-aaaa', '127.0.0.2', port, { access: { [port]: 'open' } }));
  assert.equal(statusOf(await exchange(edge, get('sb-aaaa.localhost'))), 200);
  assert.equal(statusOf(await exchange(edge, get('9-sb-aaaa.localhost'))), 401);
});

it('by path prefix the cookie is for that path only', async (t) => {
  const { edge } = await guarded(t);
  const answer = await exchange(edge, get('localhost', `/_sb/sb-aaaa/x?arc-token=${tokenFor('sb-aaaa')}`, [BROWSER]));
  assert.match(answer, /Location: \/_sb\/sb-aaaa\/x\r\n.*Set-Cookie: [^\r]+; Path=\/_sb\/sb-aaaa;/s);
});

it('whatever path a client comes with, it is led to no other host and no second header', () => {
  const destination = { prefix: '' } as Destination;
  const piece = fc.constantFrom('/', '\\', '?', '&', 'arc-token=', 'a', '..', ':', '@', '%0d', '#');
  fc.assert(
    fc.property(
      fc.array(piece).map((pieces) => `/${pieces.join('')}`),
      fc.string(),
      (path, text) => {
        for (const place of [placeOf(destination, fromQuery(path).path), localPath(text), localPath(path)]) {
          assert.equal(new URL(place, 'http://sb-aaaa.localhost').host, 'sb-aaaa.localhost', place);
        }
        const query = fromQuery(path).path.split('?').slice(1).join('?');
        assert.ok(!/(?:^|&)arc-token=/.test(query), path);
      },
    ),
    { numRuns: 2_000 },
  );
});
