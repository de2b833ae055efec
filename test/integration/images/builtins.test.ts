import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstat, mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createBuiltins } from '../../../src/host/builtins/create-builtins.ts';
import { readElf } from '../../../src/host/builtins/elf.ts';
import { diskBytes } from '../../../src/host/images/layer-store.ts';
import { createImages, type ImagesOptions } from '../../../src/host/images.ts';
import { silentLogger } from '../../../src/kit/logger.ts';
import { realClock } from '../../../src/kit/real.ts';
import { run, tempDir } from './kit.ts';

const repository = join(import.meta.dirname, '../../..');
const BUILD_MS_MAX = 15_000;
const STAND_IN = '#include <unistd.h>\nint main(void) { return write(1, "here\\n", 5) != 5; }\n';

type Built = NonNullable<ImagesOptions['builtins']>;

function builtinsIn(dataDir: string, whoami: string, notes = join(repository, 'examples/vulnerable-notes')): Built {
  return createBuiltins({
    dataDir,
    logger: silentLogger,
    clock: realClock,
    node: process.execPath,
    whoami: { source: `${whoami}.c`, binary: whoami },
    notes,
  });
}

/** Runs a program in these layers, in a mount namespace of its own. The root is read-only, as it is for sandboxes. */
async function inside(folders: readonly string[], argv: readonly string[]): Promise<string> {
  await using at = await tempDir();
  const lower = [...folders].reverse();
  const mount =
    lower.length > 1
      ? 'mount -t overlay overlay -o "lowerdir=$1" "$2"'
      : 'mount --bind "$1" "$2" && mount -o remount,bind,ro "$2"';
  const script = `${mount} && mount -t proc proc "$2/proc" && at=$2 && shift 2 && exec chroot "$at" "$@"`;
  return await run('unshare', ['-m', 'sh', '-ec', script, 'sh', lower.join(':'), at.path, ...argv]);
}

let data: Awaited<ReturnType<typeof tempDir>>;
let builtins: Built;

before(async () => {
  data = await tempDir();
  await writeFile(join(data.path, 'whoami.c'), STAND_IN);
  builtins = builtinsIn(data.path, join(data.path, 'whoami'));
});
after(async () => data?.[Symbol.asyncDispose]());

test('each is made at its first use, quickly, in layers that are shared', async () => {
  const made: Record<string, readonly string[]> = {};
  for (const name of ['shell', 'python', 'node', 'whoami', 'vulnerable-notes']) {
    const since = performance.now();
    made[name] = await builtins.resolve(name);
    const ms = Math.round(performance.now() - since);
    const own = await diskBytes(made[name]?.at(-1) ?? '');
    console.log(`builtin ${name}: ${ms} ms, ${(own / 1024 ** 2).toFixed(1)} MiB of its own`);
    assert.ok(ms < BUILD_MS_MAX, `${name} took ${ms} ms`);
  }
  assert.deepEqual(made.python?.slice(0, 1), made.shell);
  assert.deepEqual(made.node?.slice(0, 1), made.shell);
  assert.deepEqual(made['vulnerable-notes']?.slice(0, 2), made.python);
  assert.ok((await diskBytes(made.python?.at(-1) ?? '')) < 60 * 1024 ** 2);
  assert.deepEqual(await readdir(join(data.path, 'builtins/tmp')), []);
});

test('the shell and its tools run, and nothing they need is missing', async () => {
  const folders = await builtins.resolve('shell');
  const script = 'whoami; id -un 1000; echo a b | awk "{print \\$2}"; stat -c %a /tmp /root; ls /bin/sh; date +%Z';
  assert.deepEqual((await inside(folders, ['/bin/sh', '-c', script])).trim().split('\n'), [
    'root',
    'user',
    'b',
    '1777',
    '700',
    '/bin/sh',
    'UTC',
  ]);
  const missing =
    'for f in /usr/bin/* /usr/sbin/*; do ldd "$f" 2>/dev/null | grep "not found" && echo "$f"; done; true';
  assert.equal(await inside(folders, ['/bin/bash', '-c', missing]), '');
  const usual = await inside(folders, ['/bin/sh', '-c', 'ls /usr/lib/*/ /usr/lib64']);
  for (const name of ['librt.so.1', 'libpthread.so.0', 'libgcc_s.so.1', 'libstdc++.so.6'])
    assert.ok(usual.includes(name));
  assert.equal(await run('find', [...folders, '-perm', '/6000', '-type', 'f']), '', 'no set-uid programs');
});

test('python is the system’s, with its library and compiled files', async () => {
  const folders = await builtins.resolve('python');
  const modules = 'ssl, sqlite3, ctypes, lzma, bz2, hashlib, asyncio, http.server, json, readline';
  const program = `import ${modules}, os; print(6*7, os.path.isdir(os.path.dirname(os.__file__) + "/__pycache__"))`;
  assert.equal(await inside(folders, ['/usr/bin/python3', '-c', program]), '42 True\n');
  assert.equal(await inside(folders, ['/usr/bin/python', '-c', 'print(1)']), '1\n');
});

test('node is the one that runs Arc', async () => {
  const folders = await builtins.resolve('node');
  assert.equal(await inside(folders, ['/usr/local/bin/node', '-p', 'process.version']), `${process.version}\n`);
  assert.equal(await inside(folders, ['/usr/bin/env', 'node', '-p', '6*7']), '42\n');
  const npm = await inside(folders, ['/bin/sh', '-c', 'PATH=/usr/local/bin:/usr/bin; npm --version']);
  assert.match(npm, /^\d+\.\d+/);
});

test('whoami is compiled, again when its source is newer, and needs nothing beside it', async () => {
  const [folder = ''] = await builtins.resolve('whoami');
  assert.equal(await inside([folder], ['/whoami']), 'here\n');
  assert.deepEqual(readElf(join(folder, 'whoami'))?.libraries, []);
  await writeFile(join(data.path, 'whoami.c'), STAND_IN.replace('here', 'anew'));
  const other = builtinsIn(data.path, join(data.path, 'whoami'));
  const [newer = ''] = await other.resolve('whoami');
  assert.equal(await inside([newer], ['/whoami']), 'anew\n');
  // A program that was built from this very source is taken as it is.
  await rename(join(data.path, 'builtins/whoami'), join(data.path, 'whoami'));
  await utimes(join(data.path, 'whoami'), 4e9, 4e9);
  const [same = ''] = await builtinsIn(data.path, join(data.path, 'whoami')).resolve('whoami');
  assert.equal(await inside([same], ['/whoami']), 'anew\n');
});

test('a second start finds what is there; uses at the same time make it once; what was lost is made again', async () => {
  const [folder = ''] = await builtins.resolve('shell');
  const before = await lstat(folder);
  const again = builtinsIn(data.path, join(data.path, 'whoami'));
  const both = await Promise.all([again.resolve('shell'), again.resolve('shell'), again.resolve('python')]);
  assert.deepEqual(both[0], [folder]);
  assert.equal((await lstat(folder)).ino, before.ino);
  await rm(folder, { recursive: true });
  assert.deepEqual(await again.resolve('shell'), [folder]);
  assert.ok((await lstat(join(folder, 'usr/bin/bash'))).isFile());
});

test('one that can not be made says what to install, and the others still work', async () => {
  await using empty = await tempDir();
  const without = builtinsIn(empty.path, join(empty.path, 'whoami'), join(empty.path, 'notes'));
  await assert.rejects(without.resolve('whoami'), { code: 'host_unfit', message: /whoami\.c/ });
  await assert.rejects(without.resolve('vulnerable-notes'), { code: 'host_unfit', message: /notes/ });
  await writeFile(join(empty.path, 'whoami.c'), 'no C at all');
  await assert.rejects(without.resolve('whoami'), { code: 'host_unfit', message: /compiled/ });
  await writeFile(join(empty.path, 'whoami.c'), STAND_IN);
  assert.equal((await without.resolve('whoami')).length, 1);
  await assert.rejects(without.resolve('constructor'), { code: 'template_not_found' });
  await assert.rejects(without.resolve('nothing'), { code: 'template_not_found' });
});

test('images resolve builtins, and prune removes old parts only when no builtin is in use', async () => {
  const images = createImages({ dataDir: data.path, logger: silentLogger, clock: realClock, builtins });
  const shell = { kind: 'builtin', name: 'shell' } as const;
  const folders = await images.resolve(shell);
  const old = join(data.path, 'builtins/base-0123456789abcdef');
  await mkdir(old);
  await writeFile(join(old, 'x'), 'x'.repeat(5000));
  assert.equal((await images.prune([shell])).layers, 0);
  const freed = await images.prune([]);
  assert.ok(freed.layers >= 1 && freed.bytes >= 5000);
  await assert.rejects(lstat(old));
  assert.deepEqual(await images.resolve(shell), folders);
  await lstat(join(folders[0] ?? '', 'usr/bin/bash'));
});

test('the vulnerable app has its two holes, and is decent otherwise', async () => {
  await using data = await tempDir();
  const app = join(data.path, 'app');
  await run('cp', ['-r', join(repository, 'examples/vulnerable-notes'), app]);
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  probe.close();
  const child = spawn('/usr/bin/python3', [join(app, 'app.py')], {
    env: { PORT: String(port), PATH: '/usr/bin:/bin', PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    await once(child.stdout, 'data');
    const request = async (path: string, init: RequestInit = {}) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
      return { status: response.status, text: await response.text() };
    };
    const get = async (path: string) => (await request(path)).text;
    assert.match(await get('/'), /welcome/);
    assert.match(await get('/note?name=welcome.txt'), /Welcome to Notes/);
    assert.match(await get('/search?q=coffee'), /shopping.txt:coffee/);
    // The guide shows these.
    const guide = await readFile(join(repository, 'docs/guides/vulnerable-notes.md'), 'utf8');
    for (const [path, expected] of [
      ['/note?name=../flag.txt', /arc\{one-level-up/],
      ['/note?name=../../etc/passwd', /no such note|root:/],
      ['/search?q=%22%3B+id+%23', /uid=\d+/],
    ] as const) {
      assert.ok(guide.includes(path));
      assert.match(await get(path), expected, path);
    }
    const body = new URLSearchParams({ title: '../<b>New</b>', text: '<script>alert(1)</script>' });
    const shown = (await request('/notes', { method: 'POST', body })).text;
    assert.match(shown, /&lt;script&gt;/);
    assert.ok(!shown.includes('<script>'));
    assert.ok((await readdir(join(app, 'notes'))).includes('b-new-b.txt'));
    assert.equal((await request('/notes', { method: 'POST', body: 'x'.repeat(70_000) })).status, 413);
    assert.equal((await request('/none')).status, 404);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'close');
  }
});
