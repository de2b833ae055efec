import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extract, type Header, pack } from 'tar-stream';
import { type Harness, startApi, until } from './harness.ts';

type Part = Partial<Header> & Pick<Header, 'name'> & { readonly content?: string | Buffer };

async function withSandbox(): Promise<{ h: Harness; path: string }> {
  const h = await startApi();
  return { h, path: `/v1/sandboxes/${h.sandboxes.put('alice').id}/files/tar?path=` };
}

async function makeTar(...parts: Part[]): Promise<Buffer> {
  const archive = pack();
  for (const { content, ...header } of parts) archive.entry(header, content ?? '');
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function readTar(data: Uint8Array): Promise<{ header: Header; content: string }[]> {
  const archive = extract();
  archive.end(Buffer.from(data));
  const parts: { header: Header; content: string }[] = [];
  for await (const entry of archive) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    parts.push({ header: entry.header, content: Buffer.concat(chunks).toString() });
  }
  return parts;
}

test('a tree goes up as a tar and comes down as the same', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const { files } = h.sandboxes.parts;
  const long = `${'n'.repeat(255)}`;
  const odd = 'line\nbreak "é';
  const tar = await makeTar(
    { name: './', type: 'directory' },
    { name: 'd/', type: 'directory', mode: 0o700 },
    { name: 'd/run.sh', mode: 0o755, content: 'echo hi' },
    { name: './missing/parents/file', content: 'x' },
    { name: `d/${long}`, content: 'long' },
    { name: `d/${odd}`, content: 'odd' },
    { name: 'd/link', type: 'symlink', linkname: '../d/run.sh' },
    { name: 'd/hard', type: 'link', linkname: './d/run.sh' },
    { name: 'empty', content: '' },
  );
  const response = await h.call('PUT', `${path}/dst/here`, { body: tar });
  assert.deepEqual([response.status, await response.json()], [200, { entries: 9, bytes: 7 + 1 + 4 + 3 + 7 }]);
  assert.equal(files.text('/dst/here/d/run.sh'), 'echo hi');
  assert.equal(files.text(`/dst/here/d/${long}`), 'long');
  assert.equal(files.text(`/dst/here/d/${odd}`), 'odd');
  assert.equal(files.text('/dst/here/d/hard'), 'echo hi');
  assert.equal(files.text('/dst/here/missing/parents/file'), 'x');
  files.nodes.set('/dst/here/d/pipe', { type: 'other' });

  const down = await h.call('GET', `${path}/dst/here`);
  assert.equal(down.headers.get('content-type'), 'application/x-tar');
  const parts = await readTar(new Uint8Array(await down.arrayBuffer()));
  const byName = new Map(parts.map((part) => [part.header.name.replace(/\/$/, ''), part]));
  assert.deepEqual(
    [...byName.keys()].sort(),
    [
      'd',
      `d/${odd}`,
      `d/${long}`,
      'd/hard',
      'd/link',
      'd/run.sh',
      'empty',
      'missing',
      'missing/parents',
      'missing/parents/file',
    ].sort(),
  );
  assert.equal(byName.get('d/run.sh')?.content, 'echo hi');
  assert.equal(byName.get('d/run.sh')?.header.mode, 0o755);
  assert.equal(byName.get('d/link')?.header.linkname, '../d/run.sh');
  assert.equal(byName.get('d')?.header.mode, 0o700);
  const file = await readTar(new Uint8Array(await (await h.call('GET', `${path}/dst/here/d/run.sh`)).arrayBuffer()));
  assert.deepEqual(
    file.map(({ header, content }) => [header.name, content]),
    [['run.sh', 'echo hi']],
  );
  assert.equal(files.sessions, 0);
});

const REFUSED: [string, Part[], RegExp][] = [
  ['climbs with ..', [{ name: 'a/../../etc/passwd', content: 'x' }], /climbs out/],
  ['is absolute', [{ name: '/etc/passwd', content: 'x' }], /absolute/],
  ['is a character device', [{ name: 'dev', type: 'character-device' }], /character-device/],
  ['is a block device', [{ name: 'dev', type: 'block-device' }], /block-device/],
  ['is a pipe', [{ name: 'pipe', type: 'fifo' }], /fifo/],
  ['is a link to an absolute path', [{ name: 'l', type: 'symlink', linkname: '/etc' }], /absolute path/],
  ['is a link that climbs out', [{ name: 'a/l', type: 'symlink', linkname: '../../etc' }], /climbs out/],
  [
    'goes through a link of the archive',
    [
      { name: 'l', type: 'symlink', linkname: '.' },
      { name: 'l/x', content: 'x' },
    ],
    /goes through a link/,
  ],
  [
    'is a link through a link',
    [
      { name: 'a/b', type: 'symlink', linkname: '..' },
      { name: 'a/b/c', type: 'symlink', linkname: '..' },
    ],
    /goes through a link/,
  ],
  ['is a hard link that climbs out', [{ name: 'h', type: 'link', linkname: '../../etc/passwd' }], /climbs out/],
  ['has a name that is too long', [{ name: `a/${'n'.repeat(256)}`, content: 'x' }], /255 bytes/],
  [
    'has a path that is too long',
    [{ name: 'a/'.repeat(120) + `${'n'.repeat(200)}/`.repeat(20), content: 'x' }],
    /deeper|longer/,
  ],
];

for (const [what, parts, why] of REFUSED) {
  test(`an archive with an entry that ${what} is refused`, async () => {
    const { h, path } = await withSandbox();
    await using _ = h;
    const body = await makeTar({ name: 'before', content: 'kept' }, ...parts, { name: 'after', content: 'never' });
    const response = await h.call('PUT', `${path}/dst`, { body });
    const problem = (await response.json()) as { code: string; detail: string };
    assert.deepEqual([response.status, problem.code], [422, 'archive_refused']);
    assert.match(problem.detail, why);
    const { files } = h.sandboxes.parts;
    assert.equal(files.text('/dst/before'), 'kept');
    assert.equal(files.nodes.has('/dst/after'), false);
    assert.equal(
      [...files.nodes.keys()].some((key) => key.startsWith('/etc')),
      false,
    );
    assert.equal(files.sessions, 0);
  });
}

test('a later entry of the name of a link replaces the link', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const { files } = h.sandboxes.parts;
  const body = await makeTar(
    { name: 'real', content: 'real' },
    { name: 'l', type: 'symlink', linkname: 'real' },
    { name: 'l', content: 'own' },
  );
  assert.equal((await h.call('PUT', `${path}/dst`, { body })).status, 200);
  assert.deepEqual([files.text('/dst/real'), files.text('/dst/l')], ['real', 'own']);
});

test('what is no archive, is compressed or ends too early is refused', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const whole = await makeTar({ name: 'a', content: 'x'.repeat(5_000) });
  for (const body of [
    Buffer.from('hello'),
    Buffer.alloc(2_048, 'z'),
    Buffer.from([0x1f, 0x8b, 8, 0, ...new Array(600).fill(1)]),
    whole.subarray(0, 2_000),
  ]) {
    const response = await h.call('PUT', `${path}/dst`, { body });
    assert.deepEqual([response.status, ((await response.json()) as { code: string }).code], [422, 'archive_refused']);
  }
  assert.equal(h.sandboxes.parts.files.nodes.has('/dst/a'), false);
});

test('a huge header is refused and not gathered', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const [header] = [await makeTar({ name: 'x', content: 'x' })];
  const block = Buffer.from(header.subarray(0, 512));
  block.write('77777777777\0', 124, 'latin1');
  block.write('x', 156, 'latin1');
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  const response = await h.call('PUT', `${path}/dst`, { body: Buffer.concat([block, Buffer.alloc(1024 * 1024)]) });
  assert.deepEqual([response.status, ((await response.json()) as { code: string }).code], [422, 'archive_refused']);
});

test('a client that goes away in the middle of an archive leaves its last file unwritten', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const { files } = h.sandboxes.parts;
  const tar = await makeTar({ name: 'first', content: 'whole' }, { name: 'second', content: Buffer.alloc(1_000_000) });
  const gone = new AbortController();
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(tar.subarray(0, 200_000)),
  });
  const asking = h.call('PUT', `${path}/dst`, { body, signal: gone.signal });
  asking.catch(() => {});
  await until(() => files.taking > 100_000, 'the second file to begin');
  gone.abort();
  await until(() => files.sessions === 0, 'the session to be closed');
  assert.deepEqual([files.text('/dst/first'), files.nodes.has('/dst/second')], ['whole', false]);
  assert.deepEqual(h.logged, []);
});

test('large trees come down at constant memory, and a reader who goes away lets go of them', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const { files } = h.sandboxes.parts;
  const content = Buffer.alloc(1024 * 1024);
  for (let at = 0; at < 300; at += 1) files.nodes.set(`/f${at}`, { type: 'file', mode: 0o644, content });
  const before = process.memoryUsage.rss();
  const response = await h.call('GET', `${path}/`);
  let bytes = 0;
  for await (const chunk of response.body ?? []) bytes += (chunk as Uint8Array).length;
  assert.ok(bytes > 300 * content.length);
  assert.ok(process.memoryUsage.rss() - before < 200 * 1024 * 1024, 'the archive was not gathered');
  const gone = new AbortController();
  await h.call('GET', `${path}/`, { signal: gone.signal });
  gone.abort();
  await until(() => files.sessions === 0, 'the session to be closed');
});

test('a file that shrinks while it is packed is filled up, and one that goes away is left out', async () => {
  const { h, path } = await withSandbox();
  await using _ = h;
  const { files } = h.sandboxes.parts;
  files.nodes.set('/a', { type: 'file', mode: 0o644, content: Buffer.from('aaaa') });
  files.nodes.set('/b', { type: 'file', mode: 0o644, content: Buffer.from('bbbb') });
  files.nodes.set('/c', { type: 'file', mode: 0o644, content: Buffer.from('cccc') });
  files.onList = () => {
    files.nodes.set('/a', { type: 'file', mode: 0o644, content: Buffer.from('a') });
    files.nodes.delete('/b');
    files.nodes.set('/c', { type: 'file', mode: 0o644, content: Buffer.from('cccccccc') });
  };
  const parts = await readTar(new Uint8Array(await (await h.call('GET', `${path}/`)).arrayBuffer()));
  assert.deepEqual(
    parts.map(({ header, content }) => [header.name, content]),
    [
      ['a', 'a\0\0\0'],
      ['c', 'cccc'],
    ],
  );
});
