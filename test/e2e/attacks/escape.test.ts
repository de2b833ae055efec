import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { LEVELS, type Level } from '../../../src/contract/states.ts';
import type { Sandbox } from '../../../src/sdk/index.ts';
import { type LaunchedArc, launchArc } from '../lib/launch.ts';

/** Ways out of a sandbox that have worked elsewhere, tried at every level that this machine gives in useful time. */
let arc: LaunchedArc;
let folder: string;
let here: readonly Level[];
const SECRET = 'only-the-machine-knows';
/** Rounds of a race; each is a call of the API against links that change all the while. */
const ROUNDS = 60;

before(async () => {
  arc = await launchArc({ octet: 112 });
  folder = await mkdtemp('/var/tmp/arc-escape-');
  await chmod(folder, 0o777);
  await writeFile(join(folder, 'secret'), SECRET, { mode: 0o644 });
  const { template } = await arc.client.templates.get('shell');
  await arc.client.templates.add({ ...template, name: 'any-shell', isolation: 'jail' });
  const levels = await arc.client.levels();
  here = LEVELS.filter((level) => ['jail', 'container', 'gvisor'].includes(level)).filter((level) =>
    levels.some((one) => one.level === level && one.available),
  );
});
after(async () => {
  await rm(folder, { recursive: true, force: true });
  await arc[Symbol.asyncDispose]();
});

async function sandbox(isolation: Level): Promise<Sandbox> {
  return await arc.client.sandboxes.create({ template: 'any-shell', isolation });
}

const run = async (one: Sandbox, script: string) => await one.exec(['sh', '-c', script]);

test('links in the writable layer lead nothing of Arc out: files of the host are neither read, written nor mounted on', async () => {
  for (const level of here) {
    await using one = await sandbox(level);
    const links = ['/etc/resolv.conf', '/etc/hosts', '/etc/hostname', '/tmp/.arc', '/root/x'];
    const made = links.map((path) => `rm -rf ${path}; ln -s ${folder}/secret ${path}`).join('; ');
    const { code, stderr } = await run(one, `${made}; ln -s ${folder} /root/dir; ln -s / /root/top; true`);
    assert.equal(code, 0, stderr);
    // What a restart writes, it writes beneath the sandbox's own layer.
    await one.restart();
    assert.equal(await readFile(join(folder, 'secret'), 'utf8'), SECRET, level);
    for (const path of ['/root/x', '/root/dir/secret', `/root/top${folder}/secret`]) {
      const text = await one.files.readText(path).catch((error: Error) => error.message);
      assert.ok(!text.includes(SECRET), `${level}: read by ${path}`);
      await one.files.write(path, 'from inside').catch(() => {});
      await one.files.write(`${path}.new`, 'from inside').catch(() => {});
    }
    assert.equal(await readFile(join(folder, 'secret'), 'utf8'), SECRET, level);
    assert.deepEqual(await readdir(folder), ['secret'], level);
  }
});

test('places that are mounted on and are links instead lead to no place of the host', async () => {
  for (const level of here) {
    await using one = await sandbox(level);
    // Whoever starts it again must not follow what its program left in place of its mount points.
    await run(
      one,
      `for f in proc sys dev; do mkdir -p /old; mv /$f /old/ 2>/dev/null; ln -s ${folder} /$f; done; true`,
    );
    await one.restart().catch(() => {});
    assert.deepEqual(await readdir(folder), ['secret'], level);
    assert.ok(
      !(await readFile('/proc/self/mountinfo', 'utf8')).includes(folder),
      `${level}: something is mounted there`,
    );
  }
});

test('a folder that turns into a link and back during uploads and downloads leads nowhere else', async () => {
  for (const level of here) {
    await using one = await sandbox(level);
    const swap = `while :; do rm -rf /tmp/d; mkdir /tmp/d; echo own > /tmp/d/secret; rm -rf /tmp/d; ln -s ${folder} /tmp/d; done`;
    const race = await one.spawn(['sh', '-c', swap]);
    for (let round = 0; round < ROUNDS; round += 1) {
      const read = await one.files.readText('/tmp/d/secret').catch(() => '');
      assert.ok(!read.includes(SECRET), `${level}: round ${round}`);
      await one.files.write('/tmp/d/new', 'from inside').catch(() => {});
      await one.files.list('/tmp/d').catch(() => []);
    }
    await one.signal(race.id, 'SIGKILL');
    assert.deepEqual(await readdir(folder), ['secret'], level);
    assert.equal(await readFile(join(folder, 'secret'), 'utf8'), SECRET, level);
  }
});

test('a set-uid program of an image gives its rights to nobody, and a device of a folder is no device', async () => {
  const root = join(folder, 'root');
  for (const name of ['bin', 'tmp', 'etc', 'proc', 'sys', 'dev']) mkdirSync(join(root, name), { recursive: true });
  cpSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const name of ['sh', 'sleep', 'cat']) symlinkSync('busybox', join(root, 'bin', name));
  const source = join(folder, 'who.c');
  writeFileSync(
    source,
    '#include <stdio.h>\n#include <unistd.h>\nint main(void){printf("%d %d\\n",geteuid(),setuid(0));}\n',
  );
  const built = spawnSync('cc', ['-static', '-o', join(root, 'bin/who'), source], { encoding: 'utf8' });
  assert.equal(built.status, 0, built.stderr);
  chmodSync(join(root, 'bin/who'), 0o6755);
  try {
    await arc.client.templates.add({
      ...{ name: 'set-uid', root: { path: root }, command: ['/bin/sleep', '3600'], user: '1000:1000' },
      ...{ isolation: 'jail', ready: 'none', memory: '32MiB' },
    });
    for (const level of here) {
      await using one = await arc.client.sandboxes.create({ template: 'set-uid', isolation: level });
      const { stdout } = await one.exec(['/bin/who']);
      assert.equal(stdout, '1000 -1\n', level);
    }
  } finally {
    await rm(root, { recursive: true, force: true });
    await rm(source, { force: true });
  }
});

test('by /proc a program sees no root but its own, and nobody of the machine', async () => {
  for (const level of here) {
    await using one = await sandbox(level);
    const ways = [
      '/proc/1/root',
      '/proc/self/root',
      '/proc/*/root',
      '/proc/*/cwd',
      '/proc/1/fd/*',
      '/proc/self/task/*/root',
    ];
    const seen = await run(one, ways.map((way) => `cat ${way}${folder}/secret 2>/dev/null`).join('; '));
    assert.ok(!seen.stdout.includes(SECRET), level);
    const names = await run(one, 'cat /proc/[0-9]*/comm');
    assert.ok(!/arc-node|node|dockerd|systemd/.test(names.stdout), `${level}: ${names.stdout}`);
    const kill = await run(one, 'kill -9 -1; kill -9 1; echo on');
    assert.ok(kill.code === 0 || kill.code === null || kill.code === 137, level);
  }
  assert.equal((await fetch(`${arc.api}/healthz`)).status, 200);
});
