import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ArcError, client, type HttpRequest, type HttpResponse } from './index.ts';
import { LINE_BYTES_MAX, readLines, readNdjson } from './ndjson.ts';
import { fromProblem } from './problem.ts';
import { readSse } from './sse.ts';

async function* bytes(...pieces: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield typeof piece === 'string' ? new TextEncoder().encode(piece) : piece;
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

const answer = (status: number, ...pieces: string[]): HttpResponse => ({
  status,
  header: () => undefined,
  body: bytes(...pieces),
  cancel: async () => {},
});

/** A client whose server is a list of answers, one for each request. */
function scripted(...answers: (HttpResponse | Error)[]) {
  const requests: HttpRequest[] = [];
  const arc = client({
    url: 'http://arc.test/',
    key: 'k',
    wait: async () => {},
    transport: async (request) => {
      requests.push(request);
      const next = answers.shift();
      if (next === undefined) throw new Error('nothing more is scripted');
      if (next instanceof Error) throw next;
      return next;
    },
  });
  return { arc, requests };
}

test('lines are whole however the bytes are cut, letters beyond ASCII too', async () => {
  const text = 'ü1\r\n\n2ü\nlast';
  const raw = new TextEncoder().encode(text);
  for (let cut = 0; cut <= raw.length; cut += 1) {
    const lines = await all(readLines(bytes(raw.subarray(0, cut), raw.subarray(cut))));
    assert.deepEqual(lines, ['ü1', '', '2ü', 'last']);
  }
  assert.deepEqual(await all(readNdjson(bytes('{"a":1}\n\n{"a":2}\n'))), [{ a: 1 }, { a: 2 }]);
});

test('a line without an end is refused before it fills memory', async () => {
  const endless = (async function* () {
    for (;;) yield new Uint8Array(LINE_BYTES_MAX / 4).fill(120);
  })();
  await assert.rejects(all(readLines(endless)), { code: 'internal' });
});

test('server-sent events keep their ids and join their lines; comments say nothing', async () => {
  const text = 'retry: 1\n\n: hi\n\nid: 7\ndata: a\ndata: b\n\nevent: error\ndata:{}\n\n';
  assert.deepEqual(await all(readSse(bytes(text))), [
    { event: 'message', data: 'a\nb', id: '7' },
    { event: 'error', data: '{}', id: '7' },
  ]);
});

test('a problem document becomes an ArcError with its extra members; an unknown code keeps its name', () => {
  const error = fromProblem({ code: 'isolation_unavailable', detail: 'no', levels: ['container'], hint: 'h' }, 422);
  assert.ok(error instanceof ArcError);
  assert.deepEqual(
    [error.code, error.message, error.hint, error.extra],
    ['isolation_unavailable', 'no', 'h', { levels: ['container'] }],
  );
  assert.deepEqual(fromProblem({ code: 'from_the_future', title: 'T' }, 404).extra, { code: 'from_the_future' });
  assert.equal(fromProblem({ code: 'toString' }, 503).code, 'unavailable');
});

test('an answer that is no problem document and no answer at all are errors too', async () => {
  const { arc } = scripted(
    answer(502, '<html>'),
    new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') }),
  );
  await assert.rejects(arc.nodes(), { code: 'unavailable' });
  await assert.rejects(arc.nodes(), { code: 'not_connected', message: /connect ECONNREFUSED/ });
});

test('list gives all pages and stops at a server that goes round in circles', async () => {
  const page = (id: string, nextCursor?: string) => answer(200, JSON.stringify({ items: [{ id }], nextCursor }));
  const { arc, requests } = scripted(page('a', 'c1'), page('b'));
  assert.deepEqual(
    (await all(arc.sandboxes.list({ labels: ['x=1', 'y'] }))).map(({ id }) => id),
    ['a', 'b'],
  );
  assert.equal(requests[1]?.url, 'http://arc.test/v1/sandboxes?label=x%3D1&label=y&limit=100&cursor=c1');
  const circle = scripted(page('a', 'c'), page('a', 'c'), page('a', 'c'));
  await assert.rejects(all(circle.arc.sandboxes.list()), { code: 'internal' });
});

test('logs go on from the last entry after a lost connection, and give nothing twice', async () => {
  const line = (seq: number) => `${JSON.stringify({ seq, data: String(seq) })}\n`;
  const cut: HttpResponse = {
    ...answer(200),
    body: (async function* () {
      yield* bytes(line(1), line(2));
      throw new Error('ECONNRESET');
    })(),
  };
  const { arc, requests } = scripted(
    cut,
    new Error('ECONNREFUSED'),
    answer(200, line(2), line(3)),
    answer(410, '{"code":"sandbox_gone"}'),
  );
  const seen = await all(arc.sandboxes.handle('sb-aaaa').logs({ follow: true, tail: 5 }));
  assert.deepEqual(
    seen.map(({ seq }) => seq),
    [1, 2, 3],
  );
  assert.match(requests[0]?.url ?? '', /since=0&follow=true&tail=5$/);
  assert.match(requests[2]?.url ?? '', /since=2&follow=true$/);
});

test('logs that are not followed are not asked for again', async () => {
  const { arc, requests } = scripted(answer(200, '{"seq":1}\n'));
  assert.equal((await all(arc.sandboxes.handle('sb-aaaa').logs())).length, 1);
  assert.equal(requests.length, 1);
});

test('an error in the middle of a stream is thrown as it was said', async () => {
  const { arc } = scripted(
    answer(200, '{"type":"progress","layer":"a"}\n{"error":{"code":"registry_denied","detail":"no"}}\n'),
  );
  await assert.rejects(arc.templates.add({ name: 'x', root: { image: 'y' } }), { code: 'registry_denied' });
});

test('a stream of the caller’s own that fails is not blamed on the server', async () => {
  const arc = client({
    url: 'http://arc.test',
    key: 'k',
    transport: async ({ body }) => {
      await all(body as AsyncIterable<Uint8Array>);
      return answer(204);
    },
  });
  const broken = (async function* () {
    yield new Uint8Array(1);
    throw new Error('ENOENT: my file');
  })();
  await assert.rejects(arc.sandboxes.handle('sb-a').files.write('/x', broken), /^Error: ENOENT: my file$/);
});

test('await using removes the sandbox', async () => {
  const { arc, requests } = scripted(answer(201, '{"id":"sb-aaaa","state":"running"}'), answer(200, '{}'));
  {
    await using sandbox = await arc.sandboxes.create({ template: 'x' });
    assert.equal(sandbox.state, 'running');
  }
  assert.deepEqual(
    requests.map(({ method, url }) => `${method} ${url}`),
    ['POST http://arc.test/v1/sandboxes', 'DELETE http://arc.test/v1/sandboxes/sb-aaaa'],
  );
});
