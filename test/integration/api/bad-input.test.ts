import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Harness, startApi } from './harness.ts';

interface Problem {
  code: string;
  status: number;
  detail: string;
  hint: string;
  faults?: { field: string; message: string }[];
}

async function problem(response: Response): Promise<Problem> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json');
  const body = (await response.json()) as Problem;
  assert.equal(body.status, response.status);
  assert.ok(!JSON.stringify(body).includes('node_modules'), 'no stack traces');
  return body;
}

/** Bytes as they are on a connection of their own; gives the answer's text. */
function raw(h: Harness, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(h.port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (/\r\n\r\n[\s\S]*\}/.test(text)) socket.end();
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
}

test('every fault of a request is named at once, with words and not patterns of the checker', async () => {
  const h = await startApi();
  await using _ = h;
  const json = {
    template: 'A b',
    isolation: 'steel',
    memory: 64,
    cpus: '1',
    ttl: 'soon',
    labels: { 'a b': 'x' },
    colour: 'red',
  };
  const body = await problem(await h.call('POST', '/v1/sandboxes', { json }));
  assert.equal(body.code, 'invalid_request');
  const fields = body.faults?.map(({ field }) => field).sort();
  assert.deepEqual(fields, [
    'body.colour',
    'body.cpus',
    'body.isolation',
    'body.labels.a b',
    'body.memory',
    'body.template',
    'body.ttl',
  ]);
  for (const field of fields ?? []) assert.ok(body.detail.includes(field), field);
  assert.match(body.detail, /isolation: must be one of wasm, jail, container/);
  assert.equal(h.sandboxes.creates.length, 0);
});

test('a missing body, a wrong type and unknown query keys are refused', async () => {
  const h = await startApi();
  await using _ = h;
  assert.equal((await problem(await h.call('POST', '/v1/sandboxes'))).code, 'invalid_request');
  for (const json of [null, 5, 'x', [], [{}]]) {
    assert.equal((await problem(await h.call('POST', '/v1/sandboxes', { json }))).code, 'invalid_request');
  }
  const typed = await h.call('POST', '/v1/sandboxes', { body: '<a/>', headers: { 'content-type': 'text/xml' } });
  assert.equal((await problem(typed)).code, 'unsupported_media_type');
  for (const query of [
    'limit=0',
    'limit=1001',
    'limit=1.5',
    'limit=',
    'limit=1&limit=2',
    'state=odd',
    'colour=red',
    '__proto__=1',
    'cursor=',
  ]) {
    assert.equal((await problem(await h.call('GET', `/v1/sandboxes?${query}`))).code, 'invalid_request', query);
  }
});

test('malformed JSON, prototype keys, deep nesting and too many values are refused', async () => {
  const h = await startApi();
  await using _ = h;
  const send = (body: string) =>
    h.call('POST', '/v1/sandboxes', { body, headers: { 'content-type': 'application/json' } });
  const bodies = [
    '{"template":',
    '{"template":"whoami"} x',
    '{"template":"whoami","__proto__":{"admin":true}}',
    '{"template":"whoami","labels":{"__proto__":"x"}}',
    '{"template":"whoami","constructor":{"prototype":{"x":1}}}',
    `{"template":"whoami","labels":${'['.repeat(400_000)}${']'.repeat(400_000)}}`,
    `{"template":"whoami","labels":{${Array.from({ length: 50_000 }, (_, at) => `"k${at}":"v"`).join(',')}}}`,
  ];
  for (const body of bodies) assert.equal((await problem(await send(body))).code, 'invalid_request', body.slice(0, 60));
  assert.equal(({} as { admin?: boolean }).admin, undefined);
  assert.equal(h.sandboxes.creates.length, 0);
});

test('bodies, addresses and headers beyond their bounds have answers of their own', async () => {
  const h = await startApi();
  await using _ = h;
  const big = 'x'.repeat(10 * 1024 * 1024);
  const large = await h.call('POST', '/v1/sandboxes', { json: { template: 'whoami', labels: { a: big } } });
  assert.equal((await problem(large)).code, 'body_too_large');
  assert.equal((await problem(await h.call('GET', `/v1/sandboxes?label=${'x'.repeat(15_000)}`))).code, 'url_too_long');
  assert.equal((await problem(await h.call('GET', `/v1/sandboxes/${'x'.repeat(500)}`))).status, 414);
  const headers = await raw(h, `GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Big: ${'y'.repeat(40_000)}\r\n\r\n`);
  assert.match(headers, /^HTTP\/1\.1 431 [\s\S]*headers_too_large/);
  assert.match(await raw(h, 'NOT HTTP AT ALL\r\n\r\n'), /^HTTP\/1\.1 400 [\s\S]*invalid_request/);
  assert.match(
    await raw(h, 'GET /%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
    /^HTTP\/1\.1 400 [\s\S]*problem\+json/,
  );
  assert.equal((await h.call('GET', '/healthz')).status, 200);
});

test('unknown addresses are 404 and known ones with another method 405 with what is allowed', async () => {
  const h = await startApi();
  await using _ = h;
  for (const path of [
    '/v1',
    '/v1/',
    '/v1/sandbox',
    '/v2/sandboxes',
    '/..%2f..%2fetc/passwd',
    '/docs/static/../../../package.json',
  ]) {
    assert.equal((await problem(await h.call('GET', path))).code, 'not_found', path);
  }
  const wrong = await h.call('PATCH', '/v1/sandboxes');
  assert.equal(wrong.headers.get('allow'), 'GET, HEAD, POST');
  assert.equal((await problem(wrong)).code, 'method_not_allowed');
  assert.equal((await problem(await h.call('OPTIONS', '/v1/sandboxes/sb-aaaa/files'))).code, 'method_not_allowed');
  const cors = await h.call('GET', '/v1/sandboxes', { headers: { origin: 'http://evil.example' } });
  assert.equal(cors.headers.get('access-control-allow-origin'), null);
});

test('what breaks inside is logged with its causes and told without them', async () => {
  const h = await startApi();
  await using _ = h;
  h.sandboxes.fault = new Error('secret table is missing', { cause: new Error('disk on fire') });
  const response = await h.call('GET', '/v1/sandboxes');
  const body = await problem(response);
  assert.equal(body.code, 'internal');
  assert.ok(!JSON.stringify(body).includes('secret'));
  assert.ok(body.detail.includes(response.headers.get('arc-request-id') ?? '?'));
  const [line] = h.logged;
  assert.match(JSON.stringify(line?.fields), /secret table is missing[\s\S]*disk on fire/);
});

test('any label selector, id or path gets an answer that is a success or an honest client error', async () => {
  const h = await startApi();
  await using _ = h;
  h.sandboxes.put('alice', { labels: { a: 'b' } });
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'binary', maxLength: 80 }),
      fc.string({ maxLength: 80 }),
      async (text, other) => {
        const encoded = encodeURIComponent(text.toWellFormed());
        for (const path of [
          `/v1/sandboxes?label=${encoded}&label=${encodeURIComponent(other)}`,
          `/v1/sandboxes/${encoded}`,
          `/v1/sandboxes/${encoded}/files?path=/${encodeURIComponent(other)}`,
          `/v1/templates/${encoded}`,
          `/v1/sandboxes?cursor=${encoded}`,
        ]) {
          const response = await h.call('GET', path);
          assert.ok(response.status < 500, `${path} ${response.status}`);
          await response.body?.cancel();
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('any JSON as a create request is either taken or refused with faults', async () => {
  const h = await startApi();
  await using _ = h;
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.jsonValue(),
        fc.record({
          template: fc.constant('whoami'),
          labels: fc.dictionary(fc.string({ maxLength: 70 }), fc.string({ maxLength: 140 })),
        }),
      ),
      async (json) => {
        const response = await h.call('POST', '/v1/sandboxes?wait=0', { json });
        assert.ok([202, 400].includes(response.status), `${response.status} ${JSON.stringify(json)}`);
        await response.body?.cancel();
      },
    ),
    { numRuns: 100 },
  );
  for (const { request } of h.sandboxes.creates) {
    for (const [key, value] of Object.entries(request.labels ?? {})) {
      assert.match(key, /^[a-zA-Z0-9]([a-zA-Z0-9._/-]{0,61}[a-zA-Z0-9])?$/);
      assert.match(value, /^[ -~]{0,128}$/);
    }
  }
});
