import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { removeTree } from './remove-tree.ts';

test('removes a folder beneath what is owned, and what is not there is no error', async () => {
  const root = mkdtempSync('/tmp/arc-remove-');
  mkdirSync(join(root, 'a', 'b'), { recursive: true });
  await removeTree(join(root, 'a'), root);
  assert.equal(existsSync(join(root, 'a')), false);
  await removeTree(join(root, 'a'), root);
  await removeTree(root, '/tmp');
});

test('refuses what is owned itself, what is outside, and the root', async () => {
  const refused: readonly (readonly [string, string])[] = [
    ['/data', '/data'],
    ['/data/', '/data'],
    ['/data/..', '/data'],
    ['/data/../etc', '/data'],
    ['/database', '/data'],
    ['relative', '/data'],
    ['/etc', '/'],
    ['x/y', 'x'],
  ];
  for (const [path, owned] of refused) await assert.rejects(removeTree(path, owned), /is not beneath/, path);
});

test('a name that only begins with dots is a name', async () => {
  const root = mkdtempSync('/tmp/arc-remove-');
  mkdirSync(join(root, '..hidden'));
  await removeTree(join(root, '..hidden'), root);
  assert.equal(existsSync(join(root, '..hidden')), false);
  await removeTree(root, '/tmp');
});

test('a link is removed and what it points at stays', async () => {
  const root = mkdtempSync('/tmp/arc-remove-');
  mkdirSync(join(root, 'precious'));
  symlinkSync(join(root, 'precious'), join(root, 'link'));
  await removeTree(join(root, 'link'), root);
  assert.equal(existsSync(join(root, 'precious')), true);
  await removeTree(root, '/tmp');
});
