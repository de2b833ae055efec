import assert from 'node:assert/strict';
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pack as makePack, type Pack } from 'tar-stream';
import { packFolder } from './pack.ts';
import { unpackInto } from './unpack.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'arc-tar-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

async function* tarOf(fill: (pack: Pack) => void): AsyncGenerator<Uint8Array> {
  const pack = makePack();
  fill(pack);
  pack.finalize();
  yield* pack as AsyncIterable<Uint8Array>;
}

const nothingSkipped = (path: string) => assert.fail(`left out ${path}`);

test('a folder comes back as it was: empty ones, modes, links, long and odd names, large and empty files', async (t) => {
  const [from, to] = [await folder(t), await folder(t)];
  const long = `${'d'.repeat(120)}/${'ü'.repeat(100)}`;
  await mkdir(join(from, 'empty'), { mode: 0o700 });
  await mkdir(join(from, 'd'.repeat(120)));
  await writeFile(join(from, long), 'long');
  await writeFile(join(from, 'name with\nbreak "and" \\'), 'odd');
  await writeFile(join(from, 'script'), '#!/bin/sh\n', { mode: 0o755 });
  const large = Buffer.alloc(3_000_001, 7);
  await writeFile(join(from, 'large'), large);
  await writeFile(join(from, 'zero'), '');
  await symlink('../outside', join(from, 'link'));
  await symlink('x'.repeat(300), join(from, 'longlink'));
  const { files } = await unpackInto(join(to, 'copy'), packFolder(from, nothingSkipped));
  const copy = join(to, 'copy');
  assert.equal(files, 7);
  assert.deepEqual((await readdir(copy)).sort(), (await readdir(from)).sort());
  assert.equal(await readFile(join(copy, long), 'utf8'), 'long');
  assert.equal(await readFile(join(copy, 'name with\nbreak "and" \\'), 'utf8'), 'odd');
  assert.equal((await stat(join(copy, 'script'))).mode & 0o777, 0o755);
  assert.equal((await stat(join(copy, 'empty'))).mode & 0o777, 0o700);
  assert.deepEqual(await readFile(join(copy, 'large')), large);
  assert.equal(await readlink(join(copy, 'link')), '../outside');
  assert.equal(await readlink(join(copy, 'longlink')), 'x'.repeat(300));
});

test('nothing climbs out of the folder: dots, absolute names, links and hard links are refused', async (t) => {
  const dir = await folder(t);
  await writeFile(join(dir, 'secret'), 'secret');
  const evil: ((pack: Pack) => void)[] = [
    (pack) => pack.entry({ name: '../evil' }, 'x'),
    (pack) => pack.entry({ name: 'a/../../evil' }, 'x'),
    (pack) => pack.entry({ name: '/evil' }, 'x'),
    (pack) => pack.entry({ name: 'hard', type: 'link', linkname: '../secret' }),
    (pack) => pack.entry({ name: 'device', type: 'character-device', devmajor: 1, devminor: 3 }),
    (pack) => pack.entry({ name: 'pipe', type: 'fifo' }),
  ];
  for (const fill of evil) {
    await assert.rejects(unpackInto(join(dir, 'in'), tarOf(fill)), { code: 'archive_refused' }, fill.toString());
  }
  assert.deepEqual((await readdir(dir)).sort(), ['in', 'secret']);
  assert.deepEqual(await readdir(join(dir, 'in')), []);
});

test('a link of the archive is not followed by what comes after it', async (t) => {
  const dir = await folder(t);
  const fill = (pack: Pack) => {
    pack.entry({ name: 'way', type: 'symlink', linkname: '..' });
    pack.entry({ name: 'way/evil' }, 'x');
  };
  await assert.rejects(unpackInto(join(dir, 'in'), tarOf(fill)), { code: 'archive_refused' });
  assert.deepEqual(await readdir(dir), ['in']);
  assert.ok((await lstat(join(dir, 'in', 'way'))).isDirectory());
});

test('a link that was there before is replaced by a file of its name and never written through', async (t) => {
  const dir = await folder(t);
  await writeFile(join(dir, 'precious'), 'precious');
  await mkdir(join(dir, 'in'));
  await symlink('../precious', join(dir, 'in', 'file'));
  await unpackInto(
    join(dir, 'in'),
    tarOf((pack) => pack.entry({ name: 'file', mode: 0o4755 }, 'new')),
  );
  assert.equal(await readFile(join(dir, 'precious'), 'utf8'), 'precious');
  assert.equal(await readFile(join(dir, 'in', 'file'), 'utf8'), 'new');
  assert.equal((await stat(join(dir, 'in', 'file'))).mode & 0o7777, 0o755);
});

test('an archive that is cut off is an error', async (t) => {
  const dir = await folder(t);
  const whole: Uint8Array[] = [];
  for await (const chunk of tarOf((pack) => pack.entry({ name: 'file' }, 'x'.repeat(5_000)))) whole.push(chunk);
  const cut = Buffer.concat(whole).subarray(0, 2_000);
  await assert.rejects(
    unpackInto(
      join(dir, 'in'),
      (async function* () {
        yield cut;
      })(),
    ),
  );
});

test('a source that fails is told as it failed', async (t) => {
  const dir = await folder(t);
  const broken = (async function* () {
    yield Buffer.alloc(10);
    throw new Error('the network is gone');
  })();
  await assert.rejects(unpackInto(join(dir, 'in'), broken), /the network is gone/);
});
