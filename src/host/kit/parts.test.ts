import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ArcError } from '../../contract/errors.ts';
import { cpio } from './cpio.ts';
import { bootImage, kernelPackage } from './kernel.ts';
import { lz4Start, unpackLz4 } from './lz4.ts';
import { modulesInOrder } from './modules.ts';

const MAGIC = Buffer.from([0x02, 0x21, 0x4c, 0x18]);

/** One block: literals, then a match that repeats the last `distance` bytes, then more literals. */
function packed(first: string, distance: number, repeat: number, last: string): Buffer {
  const token = (literals: number, match: number) => (literals << 4) | match;
  const block = Buffer.concat([
    Buffer.from([token(first.length, repeat - 4)]),
    Buffer.from(first),
    Buffer.from([distance, 0]),
    Buffer.from([token(last.length, 0)]),
    Buffer.from(last),
  ]);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(block.length);
  return Buffer.concat([MAGIC, size, block]);
}

test('a packed kernel is found behind its loader and unpacked, repeats that overlap themselves included', () => {
  const image = Buffer.concat([Buffer.from('loader'), packed('abc', 2, 7, 'end')]);
  assert.equal(lz4Start(image), 6);
  assert.equal(unpackLz4(image, 6).toString(), 'abcbcbcbcbend');
});

test('an image that holds no ELF, or is corrupt, is used as it came or refused', () => {
  const other = packed('no elf', 2, 4, 'x');
  assert.equal(bootImage(other), other);
  const plain = Buffer.from('packed in another way');
  assert.equal(bootImage(plain), plain);
  assert.throws(() => unpackLz4(packed('abc', 9, 5, 'x'), 0), RangeError);
});

test('an archive for the kernel is aligned, and ends with its trailer', () => {
  const archive = cpio([
    { path: 'dev', mode: 0o040755 },
    { path: 'init', mode: 0o100755, data: Buffer.from('hello') },
  ]);
  assert.equal(archive.length % 4, 0);
  assert.match(archive.toString('latin1'), /^070701.*dev\0.*070701.*init\0.*hello\0+070701.*TRAILER!!!\0+$/s);
});

test('modules come after what they need, each once', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'arc-modules-'));
  await mkdir(join(dir, 'kernel'));
  const module = (name: string, depends: string) =>
    writeFile(join(dir, 'kernel', `${name}.ko`), `ELF\0license=GPL\0depends=${depends}\0name=x\0`);
  await Promise.all([module('a', 'b,c-d'), module('b', 'c_d'), module('c-d', ''), module('e', '')]);
  const names = (await modulesInOrder(dir, ['a', 'built_in', 'e'])).map(({ name }) => name);
  assert.deepEqual(names, ['c_d', 'b', 'a', 'e']);
  await Promise.all([module('b', 'a')]);
  await assert.rejects(modulesInOrder(dir, ['a']), (error) => error instanceof ArcError && error.code === 'host_unfit');
  await rm(dir, { recursive: true });
});

test('a machine whose package lists know no kernel is told what to do', async () => {
  const run = async () => ({ code: 0, signal: null, stdout: '', stderr: '' });
  await assert.rejects(
    kernelPackage(run),
    (error) => error instanceof ArcError && error.code === 'host_unfit' && /apt-get update/.test(error.hint ?? ''),
  );
});
