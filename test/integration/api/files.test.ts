import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { type Harness, startApi, until } from './harness.ts';

async function withSandbox(): Promise<{ h: Harness; path: string }> {
  const h = await startApi();
  return { h, path: `/v1/sandboxes/${h.sandboxes.put('alice').id}/files` };
}

const q = (path: string) => `?path=${encodeURIComponent(path)}`;

test('a file is written, read, looked at and removed', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const { files } = h.sandboxes.parts;
  assert.equal((await h.call('PUT', `${path}${q('/a.txt')}&mode=0600`, { body: 'hello' })).status, 204);
  assert.equal(files.text('/a.txt'), 'hello');
  const read = await h.call('GET', path + q('/a.txt'));
  assert.equal(await read.text(), 'hello');
  assert.equal(read.headers.get('content-type'), 'application/octet-stream');
  assert.equal(read.headers.get('content-disposition'), 'attachment');
  assert.equal(read.headers.get('arc-file-mode'), '0600');
  const head = await h.call('HEAD', path + q('/a.txt'));
  assert.deepEqual([head.status, head.headers.get('arc-file-size')], [200, '5']);
  const stat = (await (await h.call('GET', `${path}/stat${q('/a.txt')}`)).json()) as {
    type: string;
    modifiedAt: string;
  };
  assert.deepEqual([stat.type, stat.modifiedAt], ['file', '2027-01-15T08:00:00.000Z']);
  assert.equal((await h.call('DELETE', path + q('/a.txt'))).status, 204);
  assert.equal((await h.call('GET', path + q('/a.txt'))).status, 404);
  await until(() => files.sessions === 0, 'every session to be closed');
});

test('folders are made, listed and removed with what they hold', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  assert.equal((await h.call('POST', path + q('/d'))).status, 201);
  assert.equal((await h.call('POST', path + q('/d'))).status, 204);
  assert.equal((await h.call('POST', path + q('/x/y/z'))).status, 404);
  assert.equal((await h.call('POST', `${path}${q('/x/y/z')}&parents=true`)).status, 201);
  await h.call('PUT', path + q('/d/b'), { body: 'b' });
  await h.call('PUT', path + q('/d/a'), { body: '' });
  for (const at of [path, `${path}/list`]) {
    const list = (await (await h.call('GET', at + q('/d/'))).json()) as { items: { name: string; size: number }[] };
    assert.deepEqual(
      list.items.map(({ name, size }) => [name, size]),
      [
        ['a', 0],
        ['b', 1],
      ],
    );
  }
  assert.equal((await h.call('DELETE', path + q('/d'))).status, 409);
  assert.equal((await h.call('DELETE', `${path}${q('/d')}&recursive=true`)).status, 204);
  assert.equal((await h.call('DELETE', `${path}${q('/')}&recursive=true`)).status, 409);
});

test('paths that are none are refused before the engine is asked', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  for (const bad of [
    '',
    'relative',
    'a/b',
    '/a\0b',
    `/${'x'.repeat(256)}`,
    `/${'ü'.repeat(2_000)}`,
    `/${'y/'.repeat(2_100)}`,
  ]) {
    for (const method of ['GET', 'PUT', 'POST', 'DELETE']) {
      assert.equal((await h.call(method, path + q(bad))).status, 400, `${method} ${bad.slice(0, 20)}`);
    }
  }
  assert.equal((await h.call('GET', path)).status, 400);
  assert.equal((await h.call('GET', `${path}${q('/')}&path=/etc`)).status, 400);
  assert.equal((await h.call('PUT', `${path}${q('/a')}&mode=rwx`, { body: 'x' })).status, 400);
  const odd = `/${'n'.repeat(250)}\n"é`;
  assert.equal((await h.call('PUT', path + q(odd), { body: 'x' })).status, 204);
  assert.equal(h.sandboxes.parts.files.text(odd), 'x');
});

test('content of any type goes up and down as it is, far beyond the bound of a JSON body and at constant memory', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const { files } = h.sandboxes.parts;
  files.countOnly = true;
  const chunk = new Uint8Array(1024 * 1024).fill(7);
  let left = 300;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left === 0) return controller.close();
      left -= 1;
      controller.enqueue(chunk);
    },
  });
  const before = process.memoryUsage.rss();
  const response = await h.call('PUT', path + q('/big'), { body, headers: { 'content-type': 'application/json' } });
  assert.equal(response.status, 204);
  assert.equal(files.taking, 300 * chunk.length);
  assert.ok(process.memoryUsage.rss() - before < 200 * 1024 * 1024, 'the content was not gathered');
});

test('a client that goes away in the middle of an upload leaves no file', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const { files } = h.sandboxes.parts;
  const headers = { authorization: `Bearer ${h.alice}`, 'content-length': '1000000' };
  const request = httpRequest(`${h.base}${path}${q('/half')}`, { method: 'PUT', headers });
  request.on('error', () => {});
  request.write(Buffer.alloc(100_000));
  await until(() => files.taking >= 100_000, 'the first part to arrive');
  request.destroy();
  await until(() => files.sessions === 0, 'the session to be closed');
  assert.equal(files.nodes.has('/half'), false);
  assert.deepEqual(h.logged, []);
});

test('an upload that is refused gets its answer although the client is still sending', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  let left = 8;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left === 0) return controller.close();
      left -= 1;
      controller.enqueue(new Uint8Array(512 * 1024));
    },
  });
  const response = await h.call('PUT', path + q('/no/such/folder'), { body });
  assert.equal(response.status, 404);
  assert.equal(((await response.json()) as { code: string }).code, 'file_not_found');
  assert.equal((await h.call('GET', '/healthz')).status, 200);
});

test('a reader that goes away in the middle of a download lets go of the file', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const { files } = h.sandboxes.parts;
  files.nodes.set('/big', { type: 'file', mode: 0o644, content: Buffer.alloc(64 * 1024 * 1024) });
  const gone = new AbortController();
  const response = await h.call('GET', path + q('/big'), { signal: gone.signal });
  assert.equal(response.status, 200);
  gone.abort();
  await until(() => files.sessions === 0, 'the session to be closed');
});

test('what is neither file nor folder is refused', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const { files } = h.sandboxes.parts;
  files.nodes.set('/pipe', { type: 'other' });
  for (const at of [path, `${path}/tar`]) {
    const response = await h.call('GET', at + q('/pipe'));
    assert.deepEqual([response.status, ((await response.json()) as { code: string }).code], [409, 'file_refused']);
  }
  files.nodes.set('/link', { type: 'symlink', target: '/' });
  const stat = (await (await h.call('GET', `${path}/stat${q('/link')}`)).json()) as { type: string; target: string };
  assert.deepEqual([stat.type, stat.target], ['symlink', '/']);
});
