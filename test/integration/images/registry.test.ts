import assert from 'node:assert/strict';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ArcError } from '../../../src/contract/errors.ts';
import { createImages, type ImagesOptions, type PullProgress } from '../../../src/host/images.ts';
import { silentLogger } from '../../../src/kit/logger.ts';
import { realClock } from '../../../src/kit/real.ts';
import { image, push, type Registry, run, startRegistry, tar, tempDir, writeLayout } from './kit.ts';

const account = { username: 'arc', password: 'p:äss word' };
const never = new AbortController().signal;

const layers = async () => [
  {
    packing: 'gzip' as const,
    tar: await tar([
      { name: 'etc/', type: 'directory', mode: 0o755 },
      { name: 'etc/motd', mode: 0o644, body: 'below\n' },
      { name: 'etc/gone', body: 'gone\n' },
      { name: 'opt/', type: 'directory' },
      { name: 'opt/old', body: 'old\n' },
      { name: 'bin/', type: 'directory' },
      { name: 'bin/tool', mode: 0o4755, uid: 5, gid: 6, body: 'tool\n' },
      { name: 'bin/alias', type: 'link', linkname: 'bin/tool' },
      { name: 'bin/soft', type: 'symlink', linkname: '/bin/tool' },
    ]),
  },
  {
    packing: 'zstd' as const,
    tar: await tar([
      { name: 'etc/', type: 'directory', mode: 0o751 },
      { name: 'etc/.wh.gone' },
      { name: 'opt/', type: 'directory', mode: 0o1777 },
      { name: 'opt/.wh..wh..opq' },
      { name: 'opt/new', body: 'new\n' },
    ]),
  },
  { packing: 'plain' as const, tar: await tar([{ name: 'top', body: 'top\n' }]) },
];

const config = {
  Entrypoint: ['/bin/tool'],
  Cmd: ['--serve'],
  Env: ['PATH=/bin', 'A=b=c', 'not an entry'],
  WorkingDir: '/opt',
  User: 'nobody',
  ExposedPorts: { '8080/tcp': {}, '53/udp': {}, '9000': {} },
};

let dir: Awaited<ReturnType<typeof tempDir>>;
let open: Registry;
let closed: Registry;
let made: ReturnType<typeof image>;

before(async () => {
  dir = await tempDir();
  open = await startRegistry(join(dir.path, 'open'));
  closed = await startRegistry(join(dir.path, 'closed'), account);
  made = image(await layers(), config);
  await writeLayout(join(dir.path, 'layout'), made);
  await push(join(dir.path, 'layout'), `${open.host}/team/app:v1`);
  await push(join(dir.path, 'layout'), `${closed.host}/team/app:v1`, account);
});
after(async () => {
  await open?.[Symbol.asyncDispose]();
  await closed?.[Symbol.asyncDispose]();
  await dir?.[Symbol.asyncDispose]();
});

const imagesIn = (dataDir: string, more: Partial<ImagesOptions> = {}) =>
  createImages({ dataDir, logger: silentLogger, clock: realClock, limits: { reserveBytes: 0 }, ...more });

test('an image is pulled by tag, with its defaults, its layers in order and progress for each', async () => {
  await using data = await tempDir();
  const images = imagesIn(data.path);
  const seen: PullProgress[] = [];
  const pulled = await images.pull({
    image: `${open.host}/team/app:v1`,
    signal: never,
    onProgress: (progress) => seen.push(progress),
  });
  assert.deepEqual(pulled.root, { kind: 'layers', digests: made.diffIds });
  assert.equal(pulled.digest, made.manifest.digest);
  assert.deepEqual(pulled.defaults, {
    command: ['/bin/tool', '--serve'],
    env: { PATH: '/bin', A: 'b=c' },
    cwd: '/opt',
    user: 'nobody',
    ports: [8080, 9000],
  });
  for (const { digest, bytes } of made.blobs.slice(1)) {
    const phases = seen.filter((progress) => progress.layer === digest);
    assert.deepEqual([...new Set(phases.map(({ phase }) => phase))], ['downloading', 'unpacking', 'ready']);
    assert.ok(
      phases.some(({ phase, done, total }) => phase === 'downloading' && done === bytes.length && total === done),
    );
  }
  const [lowest, middle, top] = await images.resolve(pulled.root);
  const tool = await lstat(join(lowest ?? '', 'bin/tool'));
  assert.equal(tool.mode & 0o7777, 0o755, 'set-uid is left out');
  assert.deepEqual([tool.uid, tool.gid, tool.nlink, tool.mtimeMs], [5, 6, 2, 1_700_000_000_000]);
  assert.equal((await lstat(join(middle ?? '', 'etc'))).mode & 0o7777, 0o751);
  assert.equal((await lstat(join(middle ?? '', 'opt'))).mode & 0o7777, 0o1777);
  assert.equal(await readFile(join(top ?? '', 'top'), 'utf8'), 'top\n');
  assert.deepEqual(await readdir(join(data.path, 'layers/tmp')), []);
});

test('the kernel reads the whiteouts and opaque folders as the image means them', async () => {
  await using data = await tempDir();
  const images = imagesIn(data.path);
  const { root } = await images.pull({ image: `${open.host}/team/app:v1`, signal: never });
  const lower = [...(await images.resolve(root))].reverse().join(':');
  // A mount namespace of its own: nothing is left on the host, however this ends.
  const script = 'mount -t overlay overlay -o "lowerdir=$1" "$2" && cd "$2" && find . | sort && cat etc/motd';
  await using at = await tempDir();
  const listed = await run('unshare', ['-m', 'sh', '-ec', script, 'sh', lower, at.path]);
  assert.deepEqual(listed.split('\n'), [
    '.',
    './bin',
    './bin/alias',
    './bin/soft',
    './bin/tool',
    './etc',
    './etc/motd',
    './opt',
    './opt/new',
    './top',
    'below',
    '',
  ]);
});

test('the helper makes the marks when there is one', async () => {
  await using data = await tempDir();
  const asked: unknown[] = [];
  const layerMarks = async (dir: string, whiteouts: readonly string[], opaque: readonly string[]) => {
    asked.push([dir.startsWith(join(data.path, 'layers/tmp')), whiteouts, opaque]);
  };
  await imagesIn(data.path, { helper: { layerMarks } }).pull({ image: `${open.host}/team/app:v1`, signal: never });
  assert.deepEqual(asked, [
    [true, ['etc/gone'], []],
    [true, [], ['opt']],
  ]);
});

test('an image is pulled by digest, with a tag beside it or without', async () => {
  await using data = await tempDir();
  const images = imagesIn(data.path);
  for (const name of ['team/app', 'team/app:whatever']) {
    const pulled = await images.pull({ image: `${open.host}/${name}@${made.manifest.digest}`, signal: never });
    assert.deepEqual(pulled.root, { kind: 'layers', digests: made.diffIds });
  }
});

test('credentials open a registry, and without the right ones it says so', async () => {
  await using data = await tempDir();
  const images = imagesIn(data.path);
  const name = `${closed.host}/team/app:v1`;
  await images.pull({ image: name, credentials: account, signal: never });
  const denied = { code: 'registry_denied' };
  await assert.rejects(images.pull({ image: name, signal: never }), denied);
  await assert.rejects(images.pull({ image: name, credentials: { ...account, password: 'x' }, signal: never }), denied);
});

test('a tag, a digest and a repository that are not there are image_not_found', async () => {
  await using data = await tempDir();
  const images = imagesIn(data.path);
  for (const name of ['team/app:v2', `team/app@sha256:${'0'.repeat(64)}`, 'team/other:v1']) {
    await assert.rejects(images.pull({ image: `${open.host}/${name}`, signal: never }), (error: ArcError) => {
      assert.equal(error.code, 'image_not_found');
      return true;
    });
  }
  assert.deepEqual(await readdir(join(data.path, 'layers')).catch(() => []), []);
});

test('a layer that is here is not fetched again, and pulls at the same time fetch it once', async () => {
  await using data = await tempDir();
  const images = imagesIn(data.path);
  const downloads: string[] = [];
  const pull = () =>
    images.pull({
      image: `${open.host}/team/app:v1`,
      signal: never,
      onProgress: ({ layer, phase, done }) => {
        if (phase === 'downloading' && done === 0) downloads.push(layer);
      },
    });
  await Promise.all([pull(), pull(), pull()]);
  await pull();
  assert.deepEqual(
    downloads.sort(),
    made.blobs
      .slice(1)
      .map(({ digest }) => digest)
      .sort(),
  );
});

test('prune keeps what is in use and what has just come, and removes the rest', async () => {
  await using data = await tempDir();
  let now = 0;
  const images = imagesIn(data.path, { clock: { ...realClock, monotonic: () => now } });
  const { root } = await images.pull({ image: `${open.host}/team/app:v1`, signal: never });
  assert.deepEqual(await images.prune([]), { layers: 0, bytes: 0 });
  now = 3_600_000;
  assert.deepEqual(await images.prune([root]), { layers: 0, bytes: 0 });
  const freed = await images.prune([{ kind: 'layers', digests: made.diffIds.slice(0, 1) }]);
  assert.equal(freed.layers, 2);
  assert.ok(freed.bytes > 0);
  await assert.rejects(images.resolve(root), { code: 'template_not_found' });
  await images.pull({ image: `${open.host}/team/app:v1`, signal: never });
  assert.equal((await images.resolve(root)).length, 3);
});

test('prune and pulls in a row of races never leave a pulled image without a layer', async () => {
  await using data = await tempDir();
  let now = 0;
  const images = imagesIn(data.path, { clock: { ...realClock, monotonic: () => now } });
  for (let round = 0; round < 8; round += 1) {
    now += 3_600_000;
    const pulling = images.pull({ image: `${open.host}/team/app:v1`, signal: never });
    const [pulled] = await Promise.all([pulling, images.prune([]), images.prune([])]);
    assert.equal((await images.resolve(pulled.root)).length, 3);
  }
});
