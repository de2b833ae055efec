import assert from 'node:assert/strict';
import { chmod, chown, link, lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { ArcError } from '../../../src/contract/errors.ts';
import { type UnpackLimits, unpackFile } from '../../../src/host/images/unpack-tar.ts';
import { createImages, type ImagesOptions } from '../../../src/host/images.ts';
import { silentLogger } from '../../../src/kit/logger.ts';
import { realClock } from '../../../src/kit/real.ts';
import { digestOf, run, type TarEntry, tar, tempDir } from './kit.ts';

const never = new AbortController().signal;
const limits: UnpackLimits = { bytesMax: 1e9, entriesMax: 10_000, ratioMax: 250, reserveBytes: 0 };
const imagesIn = (dataDir: string, more: Partial<ImagesOptions> = {}) =>
  createImages({ dataDir, logger: silentLogger, clock: realClock, limits: { reserveBytes: 0 }, ...more });

const dir = (name: string): TarEntry => ({ name, type: 'directory' });
const file = (name: string, body = 'x'): TarEntry => ({ name, body });
const soft = (name: string, linkname: string): TarEntry => ({ name, type: 'symlink', linkname });
const hard = (name: string, linkname: string): TarEntry => ({ name, type: 'link', linkname });

const refused: [string, TarEntry[]][] = [
  ['a name with ..', [file('../evil')]],
  ['a name with .. further in', [dir('a/'), file('a/../../evil')]],
  ['an absolute name', [file('/evil')]],
  ['a file beneath a link that leads out', [soft('out', '..'), file('out/evil')]],
  ['a file beneath an absolute link', [soft('out', '/tmp'), file('out/evil')]],
  ['a file beneath a link that stays inside', [dir('a/'), soft('b', 'a'), file('b/evil')]],
  ['a folder over a link', [soft('out', '/tmp'), dir('out/'), file('out/evil')]],
  ['a file beneath a file', [file('a'), file('a/b')]],
  ['a folder over a file', [file('a'), dir('a/')]],
  ['a file over a folder', [dir('a/'), file('a')]],
  ['a link over a folder', [dir('a/'), soft('a', '/tmp')]],
  ['a hard link that leads out', [hard('a', '../../etc/passwd')]],
  ['a hard link by an absolute name', [hard('a', '/etc/passwd')]],
  ['a hard link through a link', [soft('l', '/etc'), hard('a', 'l/passwd')]],
  ['a hard link to nothing', [hard('a', 'b')]],
  ['a hard link to a folder', [dir('b/'), hard('a', 'b')]],
  ['a link as the root', [soft('./', '/etc')]],
  ['a device', [{ name: 'sda', type: 'block-device', devmajor: 8, devminor: 0 }]],
  ['a device that looks like a whiteout', [{ name: 'etc', type: 'character-device', devmajor: 0, devminor: 0 }]],
  ['a whiteout of nothing', [file('.wh.')]],
  ['a whiteout that climbs', [file('a/.wh...')]],
  ['a file beneath a whiteout', [file('.wh.a/b')]],
  ['a part of a name longer than 255 bytes', [file('a'.repeat(256))]],
  ['a name longer than 4096 bytes', [file('ab/'.repeat(1400))]],
  ['a sparse file', [{ ...file('a'), pax: { 'GNU.sparse.major': '1' } }]],
];

for (const [what, entries] of refused) {
  test(`${what} is archive_refused and nothing is kept`, async () => {
    await using data = await tempDir();
    const archive = join(data.path, 'x.tar');
    await writeFile(archive, await tar([dir('ok/'), ...entries]));
    const before = (await readdir(data.path)).sort();
    await assert.rejects(imagesIn(data.path).addPath(archive, never), { code: 'archive_refused' });
    assert.deepEqual((await readdir(data.path)).sort(), [...before, 'layers'].sort());
    assert.deepEqual(await readdir(join(data.path, 'layers/tmp')), []);
    assert.deepEqual(await readdir(join(data.path, 'layers/sha256')), []);
  });
}

test('an archive that is cut off, damaged or no archive at all is refused', async () => {
  await using data = await tempDir();
  const good = await tar([file('a', 'x'.repeat(5000))]);
  const packed = gzipSync(good);
  const wrong = Buffer.from(good);
  wrong.write('zz', 0);
  const bad: [string, Buffer][] = [
    ['cut', good.subarray(0, 3000)],
    ['cut gzip', packed.subarray(0, packed.length - 20)],
    ['checksum', wrong],
    ['noise', Buffer.alloc(2048, 'noise')],
    ['xz', Buffer.from('fd377a585a0000', 'hex')],
    ['damaged zstd', Buffer.concat([zstdCompressSync(good).subarray(0, 30), Buffer.alloc(100)])],
  ];
  for (const [what, bytes] of bad) {
    await writeFile(join(data.path, 'x'), bytes);
    await assert.rejects(imagesIn(data.path).addPath(join(data.path, 'x'), never), { code: 'archive_refused' }, what);
  }
});

test('a bomb is refused by its bytes, its ratio and its entries', async () => {
  await using data = await tempDir();
  const bomb = join(data.path, 'bomb');
  await writeFile(bomb, gzipSync(await tar([file('zeros', '\0'.repeat(100 * 1024 * 1024))])));
  await assert.rejects(imagesIn(data.path).addPath(bomb, never), /unpacks to more than/);
  await writeFile(bomb, await tar(Array.from({ length: 50 }, (_, index) => file(`f${index}`))));
  const few = { limits: { reserveBytes: 0, entriesMax: 49 } };
  await assert.rejects(imagesIn(data.path, few).addPath(bomb, never), /more than 49 entries/);
  const small = { limits: { reserveBytes: 0, bytesMax: 10_000 } };
  await assert.rejects(imagesIn(data.path, small).addPath(bomb, never), /more than 10000 bytes/);
});

test('odd but honest names, owners and times come out as they went in', async () => {
  await using data = await tempDir();
  const long = 'ü'.repeat(127);
  const archive = await tar([
    { ...dir('./'), mode: 0o711, uid: 7 },
    { ...file('new\nline', 'n'), uid: 1000, gid: 1001, mode: 0o640 },
    file(long, 'l'),
    file(`deep/${'d'.repeat(200)}/${'e'.repeat(200)}`, 'd'),
    { ...file('far', 'f'), uid: 5_000_000, pax: { uid: '5000000', mtime: '1600000000.5' } },
    file('twice', 'first'),
    file('twice', 'last'),
    { ...file('null', ''), type: 'character-device', name: 'dev/null', devmajor: 1, devminor: 3 },
    soft('abs', '/etc/passwd'),
  ]);
  const path = join(data.path, 'a.tar.zst');
  await writeFile(path, zstdCompressSync(archive));
  const images = imagesIn(data.path);
  const { root } = await images.addPath(path, never);
  assert.deepEqual(root, { kind: 'layers', digests: [digestOf(archive)] });
  const [layer = ''] = await images.resolve(root);
  const top = await lstat(layer);
  assert.deepEqual([top.mode & 0o7777, top.uid], [0o711, 7]);
  const odd = await lstat(join(layer, 'new\nline'));
  assert.deepEqual([odd.uid, odd.gid, odd.mode & 0o7777], [1000, 1001, 0o640]);
  assert.equal(await readFile(join(layer, long), 'utf8'), 'l');
  assert.equal(await readFile(join(layer, 'twice'), 'utf8'), 'last');
  const far = await lstat(join(layer, 'far'));
  assert.deepEqual([far.uid, far.mtimeMs], [65_534, 1_600_000_000_500], 'an owner that no sandbox has is nobody');
  assert.equal(await readlink(join(layer, 'abs')), '/etc/passwd');
  assert.deepEqual(await readdir(layer).then((names) => names.includes('dev')), false);
  // The same content again is the same layer, however it is packed.
  await writeFile(path, gzipSync(archive));
  assert.deepEqual((await images.addPath(path, never)).root, root);
});

test('names that are not UTF-8 keep their bytes', async () => {
  await using data = await tempDir();
  const archive = await tar([file('aXb', 'x')]);
  // The checksum counts bytes, so it is mended by the difference.
  const byte = 0xff - (archive[1] ?? 0);
  archive[1] = 0xff;
  const sum = Number.parseInt(archive.subarray(148, 154).toString(), 8) + byte;
  archive.write(sum.toString(8).padStart(6, '0'), 148);
  await writeFile(join(data.path, 'a.tar'), archive);
  const into = join(data.path, 'into');
  await mkdir(into);
  await unpackFile(join(data.path, 'a.tar'), into, limits, async () => {});
  assert.deepEqual(await readdir(into, { encoding: 'buffer' }), [Buffer.from([0x61, 0xff, 0x62])]);
});

test('a folder becomes a layer: links, owners, modes and hard links are kept, sockets and fifos are not', async () => {
  await using data = await tempDir();
  await using from = await tempDir();
  await mkdir(join(from.path, 'etc/empty'), { recursive: true });
  await writeFile(join(from.path, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\n');
  await writeFile(join(from.path, 'etc/none'), '');
  await chown(join(from.path, 'etc/passwd'), 3_000_00, 12);
  await chmod(join(from.path, 'etc/passwd'), 0o4644);
  await link(join(from.path, 'etc/passwd'), join(from.path, 'again'));
  await symlink('/etc/shadow', join(from.path, 'out'));
  await run('mkfifo', [join(from.path, 'fifo')]);
  const images = imagesIn(data.path);
  const { root } = await images.addPath(from.path, never);
  const [layer = ''] = await images.resolve(root);
  assert.deepEqual((await readdir(layer)).sort(), ['again', 'etc', 'out']);
  const passwd = await lstat(join(layer, 'etc/passwd'));
  assert.deepEqual([passwd.uid, passwd.gid, passwd.mode & 0o7777, passwd.nlink], [65_534, 12, 0o644, 2]);
  assert.equal(await readlink(join(layer, 'out')), '/etc/shadow');
  assert.deepEqual((await images.addPath(from.path, never)).root, root);
});

test('the data folder itself, what holds it, and what is not there are refused', async () => {
  await using data = await tempDir();
  const images = imagesIn(join(data.path, 'arc'));
  await mkdir(join(data.path, 'arc'));
  for (const path of ['/', data.path, join(data.path, 'arc'), join(data.path, 'none'), '/dev/null']) {
    await assert.rejects(images.addPath(path, never), { code: 'invalid_template' }, path);
  }
});

test('a full disk is disk_full, early where it can be foreseen, and leaves nothing', async () => {
  await using data = await tempDir();
  await using small = await tempDir();
  const archive = join(data.path, 'a.tar');
  await writeFile(archive, await tar([file('big', 'x'.repeat(12 * 1024 * 1024))]));
  await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', small.path]);
  try {
    await assert.rejects(imagesIn(small.path).addPath(archive, never), { code: 'disk_full' });
    assert.deepEqual(await readdir(join(small.path, 'layers/tmp')), []);
  } finally {
    await run('umount', [small.path]);
  }
  const wish = { limits: { reserveBytes: 1e15 } };
  await assert.rejects(imagesIn(data.path, wish).addPath(archive, never), { code: 'disk_full' });
});

test('whatever bytes come, nothing is written beside the folder and the error is one of ours', async () => {
  await using data = await tempDir();
  const parts = fc.constantFrom('..', '.', '', 'a', 'b', '.wh.a', '.wh..wh..opq', 'c\nd');
  const name = fc.array(parts, { minLength: 1, maxLength: 4 }).map((list) => list.join('/') || 'x');
  const type = fc.constantFrom('file', 'directory', 'symlink', 'link', 'fifo', 'character-device' as const);
  const entry = fc.record({ name, type, linkname: name });
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 8 }), async (entries) => {
      round += 1;
      const home = join(data.path, String(round));
      const into = join(home, 'in/into');
      await mkdir(into, { recursive: true });
      await writeFile(join(data.path, 'a.tar'), await tar(entries as TarEntry[]));
      const archive = join(data.path, 'a.tar');
      await unpackFile(archive, into, limits, async () => {}).catch((error) => {
        assert.ok(error instanceof ArcError && error.code === 'archive_refused', String(error?.stack));
      });
      assert.deepEqual([await readdir(home), await readdir(join(home, 'in'))], [['in'], ['into']]);
    }),
    { numRuns: 400 },
  );
});
