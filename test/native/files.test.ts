import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ArcError } from '../../src/contract/errors.ts';
import type { FileSession, Target } from '../../src/engines/engine.ts';
import { TestNode, until } from './box.ts';

let node: TestNode;
let box: Target;
let files: FileSession;
let pid = 0;
before(async () => {
  node = await TestNode.start();
  const script = [
    'ln -s /etc/shadow /tmp/shadow; ln -s ../../../../../../etc/hostname /tmp/climb; ln -s /proc/1/root/etc /tmp/magic',
    'ln -s /home /tmp/home; mkfifo /tmp/fifo; mkdir -p /tmp/race; touch /home/ready',
    'while :; do ln -sfn / /tmp/race/x; ln -sfn ../../../../.. /tmp/race/x; rm -f /tmp/race/x; mkdir -p /tmp/race/x/etc; rm -rf /tmp/race/x; done',
  ].join('; ');
  const order = node.order({ command: ['/bin/sh', '-c', script] });
  ({ pid } = await node.helper.start(order));
  box = order;
  await until(() => existsSync(`/proc/${pid}/root/home/ready`), 'the links are there');
  files = await node.helper.files(box, '/');
});
after(async () => {
  await files[Symbol.asyncDispose]();
  await node[Symbol.asyncDispose]();
});

const isCode = (code: string) => (error: unknown) => error instanceof ArcError && error.code === code;
const bytes = async (chunks: AsyncIterable<Uint8Array>) => Buffer.concat(await Array.fromAsync(chunks));
async function* content(...parts: readonly (string | Uint8Array)[]) {
  for (const part of parts) yield Buffer.from(part as string);
}

test('writes, reads, lists and removes as root of the sandbox', async () => {
  assert.equal(await files.mkdir('/home/user', 0o750), true);
  assert.equal(await files.mkdir('/home/user', 0o750), false);
  await files.write('/home/user/a', content('one ', 'two'), 0o640);
  await files.symlink('a', '/home/user/link');
  assert.equal((await bytes(files.read('/home/user/link'))).toString(), 'one two');
  const listed = [...(await files.list('/home/user'))].sort((a, b) => a.name.localeCompare(b.name));
  assert.deepEqual(
    listed.map(({ name, type, mode, uid, target }) => ({ name, type, mode, uid, target })),
    [
      { name: 'a', type: 'file', mode: 0o640, uid: 0, target: undefined },
      { name: 'link', type: 'symlink', mode: 0o777, uid: 0, target: 'a' },
    ],
  );
  assert.equal((await files.stat('/home/user/link', true)).size, 7);
  assert.equal((await files.stat('/home/user/link', false)).type, 'symlink');
  await assert.rejects(files.remove('/home/user', false), isCode('file_refused'));
  await files.remove('/home/user', true);
  await assert.rejects(files.stat('/home/user', true), isCode('file_not_found'));
});

test('large content goes through as it was, and may be left in the middle', async () => {
  const large = Buffer.alloc(5_000_000);
  for (let i = 0; i < large.length; i++) large[i] = (i * 131 + (i >> 9)) & 255;
  await files.write('/tmp/large', content(large), 0o600);
  assert.ok((await bytes(files.read('/tmp/large'))).equals(large));
  for await (const chunk of files.read('/tmp/large')) {
    assert.ok(chunk.byteLength > 0);
    break;
  }
  assert.equal((await files.stat('/tmp/large', true)).size, large.length);
});

test('a write replaces at once or not at all', async () => {
  await files.write('/tmp/whole', content('before'), 0o644);
  async function* broken() {
    yield Buffer.from('half');
    throw new Error('the client went away');
  }
  await assert.rejects(files.write('/tmp/whole', broken(), 0o644), /went away/);
  assert.equal((await bytes(files.read('/tmp/whole'))).toString(), 'before');
  const other = await node.helper.files(box, '/');
  async function* hanging() {
    yield Buffer.from('half');
    await other[Symbol.asyncDispose]();
  }
  await assert.rejects(other.write('/tmp/whole', hanging(), 0o644), isCode('helper_unavailable'));
  await until(
    async () => !(await files.list('/tmp')).some(({ name }) => name.startsWith('.arc-')),
    'no half file is left',
  );
  assert.equal((await bytes(files.read('/tmp/whole'))).toString(), 'before');
});

test("a link that points out leads to the sandbox's own files, never to the host's", async () => {
  for (const path of ['/tmp/shadow', '/tmp/climb', '/../../etc/hostname', '/tmp/home/../../../etc/hostname']) {
    await assert.rejects(bytes(files.read(path)), isCode('file_not_found'), path);
  }
  await assert.rejects(files.list('/tmp/magic'), (error) => error instanceof ArcError);
  await files.write('/tmp/home/through', content('x'), 0o644);
  assert.equal((await files.stat('/home/through', false)).type, 'file');
  await files.write('/tmp/shadow', content('mine'), 0o644);
  assert.equal((await files.stat('/tmp/shadow', false)).type, 'file', 'a link is replaced, not followed');
  assert.ok(!readFileSync('/etc/shadow', 'utf8').includes('mine'));
});

test('links that change meanwhile lead nowhere else', async () => {
  const mark = join(node.dir, 'host-mark');
  writeFileSync(mark, 'host');
  const before = readdirSync('/etc').length;
  for (let i = 0; i < 300; i++) {
    const path = `/tmp/race/x${i % 2 ? mark : '/etc/arc-escape'}`;
    const read =
      i % 3
        ? files.write(path, content('x'), 0o644)
        : bytes(files.read(path)).then((all) => assert.notEqual(all.toString(), 'host'));
    await read.catch((error: unknown) => assert.ok(error instanceof ArcError, String(error)));
  }
  assert.equal(readFileSync(mark, 'utf8'), 'host');
  assert.equal(readdirSync('/etc').length, before);
});

test('only regular files are read and replaced', async () => {
  for (const path of ['/tmp/fifo', '/dev/zero', '/tmp', '/dev/tty']) {
    await assert.rejects(bytes(files.read(path)), isCode('file_refused'), path);
  }
  for (const path of ['/tmp/fifo', '/home', '/dev/null']) {
    await assert.rejects(files.write(path, content('x'), 0o644), isCode('file_refused'), path);
  }
  for (const path of ['/', '/home/..', '/home/.']) {
    await assert.rejects(files.write(path, content('x'), 0o644), isCode('file_refused'), path);
    await assert.rejects(files.remove(path, true), isCode('file_refused'), path);
  }
  await assert.rejects(files.write('/sys/x', content('x'), 0o644), isCode('file_denied'));
  await assert.rejects(
    files.write('/proc/sys/kernel/hostname', content('x'), 0o644),
    (error) => error instanceof ArcError,
  );
  await assert.rejects(files.write('/not/there', content('x'), 0o644), isCode('file_not_found'));
  await assert.rejects(files.stat('relative', true), isCode('invalid_request'));
  await assert.rejects(files.stat(`/${'x'.repeat(300)}`, true), isCode('file_refused'));
});

test('a full layer is told as such, and the old content stays', async () => {
  await files.write('/home/small', content('old'), 0o644);
  const large = Buffer.alloc(20 << 20, 1);
  await assert.rejects(files.write('/home/small', content(large), 0o644), isCode('disk_full'));
  assert.equal((await bytes(files.read('/home/small'))).toString(), 'old');
});

test('the worker has only rights over files, is in the cgroup, and ends with the sandbox', async () => {
  const other = node.order({ command: ['/bin/sleep', '1000'] });
  await node.helper.start(other);
  const session = await node.helper.files(other, '/');
  const workers = readFileSync(`${node.helper.cgroupPaths(other.id).pids}/cgroup.procs`, 'utf8')
    .trim()
    .split('\n')
    .map(Number);
  const status =
    workers
      .map((worker) => readFileSync(`/proc/${worker}/status`, 'utf8'))
      .find((text) => /Name:\tarc-node/.test(text)) ?? '';
  assert.match(status, /CapEff:\t000000000000001b\n/);
  assert.match(status, /CapBnd:\t0000000000000000\n/);
  assert.match(status, /NoNewPrivs:\t1\n/);
  assert.match(status, new RegExp(`Uid:\t${other.ids.hostBase}\t`));
  await node.helper.stop(other);
  await assert.rejects(session.stat('/', true), isCode('helper_unavailable'));
  await assert.rejects(node.helper.files(other, '/'), isCode('wrong_state'));
});
