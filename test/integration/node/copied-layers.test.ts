import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { shiftOwners } from '../../../src/host/layers/shift-owners.ts';
import type { OciRuntime } from '../../../src/runtimes/oci/index.ts';
import type { Handle } from '../../../src/runtimes/runtime.ts';
import { busyboxRoot, inside, newId, residueOf, specOf, type World, world } from './harness.ts';

/** What a kernel does that can not id-map the layers: here by force, and once by a file system that really can't. */
let at: World;
let layers: readonly string[];
let slot = 0;

before(async () => {
  at = await world({ copyLayers: true });
  const top = join(at.dir, 'top');
  const run = (...argv: readonly string[]) => {
    const [program = '', ...args] = argv;
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
    assert.equal(status, 0, `${argv.join(' ')}: ${stderr}`);
  };
  writeFileSync(join(at.lower, 'srv/hidden'), 'x');
  mkdirSync(join(at.lower, 'www/deep'));
  writeFileSync(join(at.lower, 'www/deep/hidden'), 'x');
  mkdirSync(join(top, 'srv'), { recursive: true });
  mkdirSync(join(top, 'www'));
  writeFileSync(join(top, 'srv/one'), 'same');
  linkSync(join(top, 'srv/one'), join(top, 'srv/two'));
  run('chown', '1000:1001', join(top, 'srv/one'));
  run('cp', '/bin/true', join(top, 'srv/setuid'));
  run('chmod', '6755', join(top, 'srv/setuid'));
  run('ln', '-s', '/etc/hostname', join(top, 'srv/link'));
  run('chown', '-h', '33', join(top, 'srv/link'));
  await at.helper.layerMarks(top, ['srv/hidden'], ['www']);
  layers = [at.lower, top];
});
after(() => at[Symbol.asyncDispose]());

async function start(runtime: OciRuntime, lowers: readonly string[], changes: Parameters<typeof specOf>[0] = {}) {
  slot += 1;
  const order = { id: newId(), incarnation: 1, slot, lowers, fresh: true, labels: {}, owner: 'test' };
  return await runtime.start({ ...order, spec: specOf(changes) }, AbortSignal.timeout(20_000));
}

async function text(runtime: OciRuntime, handle: Handle, script: string): Promise<string> {
  const { stdout, stderr, exit } = await inside(runtime, handle, ['/bin/sh', '-c', script]);
  assert.equal(exit.code, 0, `${script}: ${stderr}`);
  return stdout;
}

const hostUid = (pid: number) => Number(/^Uid:\s+([0-9]+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

for (const name of ['crun', 'runc', 'runsc'] as const) {
  test(`on ${name}: root inside is its own uid outside, and files have the owners of their layer`, async () => {
    const runtime = at.runtime(name);
    const isolation = name === 'runsc' ? 'gvisor' : 'container';
    const one = await start(runtime, layers, { isolation });
    const two = await start(runtime, layers, { isolation });
    assert.notEqual(hostUid(one.pid), hostUid(two.pid));
    assert.match(one.note ?? '', /its layers are a copy of its own/);
    assert.equal(
      await text(runtime, one, 'id -u; stat -c "%u %g" /bin/sh /srv/one /srv/two'),
      '0\n0 0\n1000 1001\n1000 1001\n',
    );
    assert.equal(
      await text(runtime, one, 'stat -c "%u %N" /srv/link; stat -c %a /srv/setuid'),
      "33 '/srv/link' -> '/etc/hostname'\n6755\n",
    );
    assert.equal(
      await text(runtime, one, 'ls /srv /www; cat /etc/hostname'),
      `/srv:\nlink\none\nsetuid\ntwo\n\n/www:\n${one.id}\n`,
    );
    assert.equal(
      await text(runtime, one, 'echo changed > /bin/new; rm /bin/wget; [ /srv/one -ef /srv/two ] && echo same'),
      'same\n',
    );
    assert.ok(
      existsSync(join(at.lower, 'bin/wget')) && !existsSync(join(at.lower, 'bin/new')),
      'layers stay as they are',
    );
    assert.equal(await text(runtime, two, 'ls /bin/wget'), '/bin/wget\n');
    for (const handle of [one, two]) await runtime.destroy(handle);
    assert.deepEqual(readdirSync(join(at.dir, 'copies')), []);
    assert.deepEqual(await residueOf(at, one.id, one.slot), []);
  });
}

test('a file system that can not id-map is found out by trying, and its layers are copied', async () => {
  const dir = mkdtempSync('/tmp/arc-merged-');
  const merged = join(dir, 'merged');
  for (const name of ['merged', 'empty']) mkdirSync(join(dir, name));
  const overlay = `lowerdir=${busyboxRoot(dir)}:${join(dir, 'empty')}`;
  assert.equal(spawnSync('mount', ['-t', 'overlay', 'overlay', '-o', overlay, merged]).status, 0);
  // Its helper sees what is mounted when it starts.
  const plain = await world();
  try {
    const runtime = plain.runtime('crun');
    const handle = await start(runtime, [merged]);
    assert.match(handle.note ?? '', /its layers are a copy of its own/);
    assert.equal(await text(runtime, handle, 'stat -c %u /bin/sh'), '0\n');
    await runtime.destroy(handle);
  } finally {
    await plain[Symbol.asyncDispose]();
    spawnSync('umount', [merged]);
    rmSync(dir, { recursive: true });
  }
});

test('a copy that was cut off, and one whose sandbox is gone, are swept away', async () => {
  const { copies } = at.deps;
  const [kept, gone] = [newId(), newId()];
  const ids = at.deps.plan.ids(1);
  for (const id of [kept, gone]) await copies.make(id, layers, ids, new AbortController().signal);
  mkdirSync(join(at.dir, 'copies', `${kept}.new`));
  await copies.sweep(new Set([kept]));
  assert.deepEqual(readdirSync(join(at.dir, 'copies')), [kept]);
  await copies.remove(kept);
});

test('owners above the range become nobody, and names that are no UTF-8 are no trouble', async () => {
  const root = join(at.dir, 'odd');
  mkdirSync(root);
  const odd = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe])]);
  writeFileSync(odd, 'x');
  spawnSync('chown', ['-R', '--from=0', '99999999', root]);
  shiftOwners({ root, ids: { hostBase: 500_000, count: 65_536 } });
  assert.deepEqual([lstatSync(odd).uid, lstatSync(odd).gid], [565_534, 500_000]);
});
