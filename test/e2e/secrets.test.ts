import assert from 'node:assert/strict';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type LaunchedArc, launchArc } from './lib/launch.ts';
import { until } from './lib/until.ts';

/** Where the value of a secret is, in and around a real sandbox. */
let arc: LaunchedArc;
const VALUE = 'hush-e6b1f0c94d3a4f7e8a52';
const BYTES_MAX = 64 * 1024 * 1024;

before(async () => {
  arc = await launchArc({ octet: 169 });
  await arc.client.secrets.set('token', VALUE);
});
after(async () => {
  await arc[Symbol.asyncDispose]();
});

/** Files of the data folder with the value in them. */
function holding(dir = arc.dataDir): readonly string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return holding(path);
    const small = entry.isFile() && (lstatSync(path, { throwIfNoEntry: false })?.size ?? BYTES_MAX) < BYTES_MAX;
    return small && readFileSync(path).includes(VALUE) ? [path] : [];
  });
}

test('a file of a secret can be read by nobody else inside, unless it was asked for', async () => {
  const secrets = [
    { secret: 'token', file: '/etc/hush' },
    { secret: 'token', file: '/etc/open', mode: '0444' as const },
  ];
  const one = await arc.client.sandboxes.create({ template: 'shell', secrets });
  const { stdout } = await one.exec(['stat', '-c', '%a %u', '/etc/hush', '/etc/open']);
  assert.equal(stdout, '400 0\n444 0\n');
  assert.equal((await one.exec(['cat', '/etc/hush'])).stdout, VALUE);
  await one.remove();
});

test('on the disk only root reads it, and nothing of it is left when the sandbox is removed', async () => {
  const secrets = [{ secret: 'token', env: 'HUSH' }];
  const one = await arc.client.sandboxes.create({ template: 'shell', secrets });
  assert.equal((await one.exec(['printenv', 'HUSH'])).stdout, `${VALUE}\n`);
  const there = holding();
  assert.ok(there.length > 0, 'what its runtime was told is on the disk while it runs');
  for (const path of there) assert.equal(lstatSync(path).mode & 0o077, 0, path);
  await one.remove();
  await until('nothing of it is left', async () => holding().length === 0);
});
