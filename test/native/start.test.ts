import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ArcError } from '../../src/contract/errors.ts';
import type { Exit } from '../../src/contract/spec.ts';
import { type HelperStart, RuntimeFailed } from '../../src/host/helper/port.ts';
import { JournalLogs } from '../../src/host/journal/logs.ts';
import { realClock } from '../../src/kit/real.ts';
import { type BoxOptions, TestNode, until } from './box.ts';

let node: TestNode;
before(async () => {
  node = await TestNode.start();
});
after(() => node[Symbol.asyncDispose]());

async function exitOf(target: { readonly id: string }): Promise<Exit> {
  let exit: Exit | undefined;
  await until(async () => {
    exit = (await node.helper.list()).find(({ id }) => id === target.id)?.exit;
    return exit !== undefined;
  }, `the end of ${target.id}`);
  assert.ok(exit);
  return exit;
}

async function outputOf(id: string, stream = 'stdout'): Promise<string> {
  const logs = new JournalLogs(join(node.dir, 'sandboxes'), realClock);
  const chunks = await Array.fromAsync(logs.read(id, { since: 0, follow: false }, new AbortController().signal));
  return Buffer.concat(chunks.filter((chunk) => chunk.stream === stream).map(({ data }) => data)).toString();
}

/** Runs a command to its end, and gives how it ended and what it printed. */
async function run(options: BoxOptions): Promise<{ order: HelperStart; exit: Exit; stdout: string }> {
  const order = node.order(options);
  await node.helper.start(order);
  const exit = await exitOf(order);
  return { order, exit, stdout: await outputOf(order.id) };
}

const sh = (script: string) => ['/bin/sh', '-c', script];

test('a command runs, its output is in the journal with its stream, its exit code is kept and sent', async () => {
  const heard: (Exit & { id: string })[] = [];
  const off = node.helper.onExit(({ id }, exit) => heard.push({ id, ...exit }));
  const { order, exit, stdout } = await run({ command: sh('echo out; echo err >&2; exit 7') });
  off();
  assert.equal(exit.code, 7);
  assert.equal(exit.signal, null);
  assert.equal(exit.oom, false);
  assert.equal(stdout, 'out\n');
  assert.equal(await outputOf(order.id, 'stderr'), 'err\n');
  assert.deepEqual(heard, [{ id: order.id, ...exit }]);
});

test('inside there are only the mounts that were asked for, other ids, and a /sys of its own', async () => {
  const { order, stdout } = await run({
    command: sh(
      'cat /proc/self/mountinfo; echo --; cat /proc/self/uid_map; ls /sys/fs/cgroup; stat -c %u /bin /bin/busybox',
    ),
    user: 1000,
  });
  const [mounts = '', rest = ''] = stdout.split('--\n');
  const points = mounts
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[4]);
  const allowed =
    /^\/$|^\/proc(\/sys|\/keys|\/kcore|\/sysrq-trigger)?$|^\/dev(\/(pts|shm|null|zero|full|tty|random|urandom))?$|^\/sys$/;
  for (const point of points) assert.match(point ?? '', allowed);
  assert.match(mounts.split('\n')[0] ?? '', / \/ \/ rw,nosuid,nodev.* - overlay /);
  assert.match(
    rest,
    new RegExp(`^ *0 +${order.ids.hostBase} +65536\n0\n0\n$`),
    'no cgroup files, and files belong to root',
  );
});

test('the network inside is its own: one address, one way out, no IPv6 but the loopback', async () => {
  const { order, stdout } = await run({
    command: sh('ip -o a; ip r; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ls /sys/class/net'),
  });
  assert.match(stdout, new RegExp(`inet ${order.net.address}/32`));
  assert.match(stdout, /default via 169\.254\.199\.1 dev eth0/);
  assert.match(stdout, /inet6 ::1/);
  assert.doesNotMatch(stdout, /inet6 fe80/);
  assert.match(stdout, /\n0\neth0\nlo\n$/);
});

test('the host reaches it by a route of its own, without ARP', async () => {
  const order = node.order({ command: sh('exec nc -l -p 80 -e echo hello') });
  await node.helper.start(order);
  const host = order.net.hostInterface;
  assert.match(
    execFileSync('ip', ['route', 'show', order.net.address], { encoding: 'utf8' }),
    new RegExp(`dev ${host}`),
  );
  assert.match(execFileSync('ip', ['neigh', 'show', 'dev', host], { encoding: 'utf8' }), /PERMANENT/);
  assert.equal(readFileSync(`/proc/sys/net/ipv4/conf/${host}/rp_filter`, 'utf8').trim(), '1');
  assert.equal(readFileSync(`/proc/sys/net/ipv6/conf/${host}/disable_ipv6`, 'utf8').trim(), '1');
  await node.helper.stop(order);
  await until(() => !existsSync(`/sys/class/net/${host}`), 'the veth is gone');
});

test('a program that the kernel kills for memory says so', async () => {
  const { exit } = await run({ command: sh('exec tail /dev/zero'), memoryBytes: 8 << 20, upper: 'memory' });
  assert.equal(exit.oom, true);
  assert.equal(exit.signal, 'SIGKILL');
});

test('a signal ends it and is told by name', async () => {
  const order = node.order({ command: sh('trap "exit 3" USR1; echo ready; while :; do sleep 0.05; done') });
  await node.helper.start(order);
  await until(async () => (await outputOf(order.id)).includes('ready'), 'the trap');
  await node.helper.signal(order, 'SIGUSR1');
  assert.equal((await exitOf(order)).code, 3);
  await assert.rejects(node.helper.signal(order, 'SIGTERM'), isCode('wrong_state'));
  await assert.rejects(node.helper.signal({ ...order, incarnation: 9 }, 'SIGTERM'), isCode('sandbox_not_found'));
});

const isCode = (code: string) => (error: unknown) => error instanceof ArcError && error.code === code;

test('a fork bomb, stopped and frozen processes end when told to, in bounded time', { timeout: 20_000 }, async () => {
  const order = node.order({
    command: sh('sleep 1000 & kill -STOP $!; f() { f | f & f; }; f & while :; do sleep 1; done'),
    pids: 100,
  });
  await node.helper.start(order);
  await until(
    () => readFileSync(`${node.helper.cgroupPaths(order.id).pids}/pids.current`, 'utf8').trim() === '100',
    'it fills up',
  );
  await node.helper.stop(order);
  const exit = await exitOf(order);
  assert.equal(exit.signal, 'SIGKILL');
  assert.ok(!existsSync(node.helper.cgroupPaths(order.id).pids), 'the cgroup is gone');
  await node.helper.stop(order);
});

test('the writable layer is limited in bytes, and kept by a stop', async () => {
  for (const upper of ['memory', 'image'] as const) {
    const command = sh('dd if=/dev/zero of=/home/big bs=64k 2>&1; ls -l /home/big; echo kept > /home/mark');
    const { order, stdout } = await run({ command, upper });
    assert.match(stdout, /No space left/);
    const bytes = Number(/ (\d{7,9}) /.exec(stdout)?.[1]);
    assert.ok(bytes > 8 << 20 && bytes <= 16 << 20, `${upper}: ${bytes}`);
    if (upper === 'memory') continue;
    await node.helper.stop(order);
    const again = { id: order.id, slot: order.slot, upper, incarnation: 2 };
    const kept = await run({ ...again, command: sh('ls /home'), fresh: false });
    assert.match(kept.stdout, /big\n/);
    const fresh = await run({ ...again, incarnation: 3, command: sh('echo fresh; ls /home'), fresh: true });
    assert.match(fresh.stdout, /fresh\n$/);
    assert.ok(statSync(join(order.dir, 'upper.img')).blocks * 512 < 4 << 20, 'the image is sparse');
  }
});

test('sequence numbers go on over incarnations, and an old incarnation can do nothing', async () => {
  const first = await run({ command: sh('echo one') });
  const { id, slot } = first.order;
  const second = node.order({ id, slot, incarnation: 2, command: sh('echo two; exec sleep 1000') });
  await node.helper.start(second);
  await node.helper.stop(first.order);
  await node.helper.destroy(first.order);
  assert.equal((await node.helper.list()).find((entry) => entry.id === id)?.phase, 'running');
  assert.equal((await node.helper.start(second)).pid, (await node.helper.start(second)).pid);
  await assert.rejects(node.helper.start(first.order), isCode('wrong_state'));
  await until(async () => (await outputOf(id)) === 'one\ntwo\n', 'both outputs');
  await node.helper.destroy(second);
  assert.ok(!existsSync(second.dir));
  await node.helper.destroy(second);
});

test('a runtime that fails leaves nothing, and what it said is handed on', async () => {
  const order = node.order({ command: ['/bin/not-there'], upper: 'image' });
  await assert.rejects(node.helper.start(order), (error) => {
    assert.ok(error instanceof RuntimeFailed);
    assert.match(error.output, /not-there/);
    assert.equal(error.exitCode, 1);
    return true;
  });
  assert.deepEqual(readdirSync(order.dir), ['config.json']);
  assert.ok(!existsSync(`/sys/class/net/${order.net.hostInterface}`));
  assert.ok(!existsSync(node.helper.cgroupPaths(order.id).memory));
  assert.ok(!(await node.helper.list()).some(({ id }) => id === order.id));
});

test('a runtime that hangs is ended at its time limit', { timeout: 10_000 }, async () => {
  const order = node.order({ command: sh('true'), argv: ['/bin/sleep', '1000'], timeoutMs: 300 });
  await assert.rejects(node.helper.start(order), isCode('timeout'));
  assert.deepEqual(readdirSync(order.dir), ['config.json']);
});

test('a start that hangs gives way to a destroy', { timeout: 10_000 }, async () => {
  const order = node.order({ command: sh('true'), argv: ['/bin/sleep', '1000'], timeoutMs: 60_000 });
  const starting = node.helper.start(order);
  starting.catch(() => {});
  await until(() => existsSync(`/sys/class/net/${order.net.hostInterface}`), 'it is half made');
  await node.helper.destroy(order);
  await assert.rejects(starting, isCode('conflict'));
  assert.ok(!existsSync(order.dir));
});

test('layers that can not be mapped are refused, never mounted as they are', async () => {
  const lower = '/proc/self';
  await assert.rejects(node.helper.start(node.order({ command: sh('true'), lowers: [lower] })), (error) => {
    assert.ok(error instanceof ArcError && error.extra.cause === 'idmap_unsupported', String(error));
    return true;
  });
});

test('orders that make no sense are refused with a code', async () => {
  const order = node.order({ command: sh('true') });
  const refused = (change: Partial<HelperStart>) =>
    assert.rejects(node.helper.start({ ...order, ...change }), isCode('invalid_request'), JSON.stringify(change));
  await refused({ dir: '/tmp' });
  await refused({ id: '../x' });
  await refused({ ids: { hostBase: 0, count: 65_536 } });
  await refused({ net: { ...order.net, hostInterface: 'a/b' } });
  await refused({ net: { ...order.net, address: 'nowhere' } });
  await refused({ argv: ['crun'] });
  await refused({ incarnation: 0 });
});

test('several start at once, and none waits for a slow one', { timeout: 20_000 }, async () => {
  const slow = node.order({ command: sh('true'), argv: ['/bin/sleep', '1000'], timeoutMs: 2_000 });
  const hanging = assert.rejects(node.helper.start(slow), isCode('timeout'));
  const orders = Array.from({ length: 6 }, () => node.order({ command: sh('exec sleep 1000') }));
  await Promise.all(orders.map((order) => node.helper.start(order)));
  assert.ok((await node.helper.list()).filter(({ phase }) => phase === 'running').length >= orders.length);
  await Promise.all(orders.map((order) => node.helper.destroy(order)));
  await hanging;
});

test('layer marks are whiteouts and opaque folders beneath the layer, never through a link', async () => {
  const layer = join(node.dir, 'layer');
  mkdirSync(join(layer, 'etc/old'), { recursive: true });
  execFileSync('ln', ['-s', '/', join(layer, 'out')]);
  writeFileSync(join(layer, 'etc/file'), '');
  await node.helper.layerMarks(layer, ['etc/gone', 'etc/old/gone'], ['etc/old', '.']);
  for (const path of ['etc/gone', 'etc/old/gone']) {
    const stat = statSync(join(layer, path));
    assert.ok(stat.isCharacterDevice() && stat.rdev === 0, path);
  }
  for (const path of ['etc/old', '.']) {
    const argv = ['-n', 'trusted.overlay.opaque', '--only-values', '--absolute-names', join(layer, path)];
    assert.equal(execFileSync('getfattr', argv).toString(), 'y');
  }
  for (const path of ['out/tmp/x', 'etc/..', '', 'etc/file', 'missing/x']) {
    await assert.rejects(node.helper.layerMarks(layer, [path], []), isCode('archive_refused'), path);
  }
  await node.helper.layerMarks(layer, ['../../../clamped'], []);
  assert.ok(existsSync(join(layer, 'clamped')), 'above the layer there is nothing');
  await assert.rejects(node.helper.layerMarks(layer, [], ['out']), isCode('archive_refused'));
  assert.ok(!existsSync('/tmp/x'));
});

test('no mount of a sandbox is seen on the host, and no process of it has the helper as its parent by name', async () => {
  const order = node.order({ command: sh('exec sleep 1000'), upper: 'image' });
  const { pid } = await node.helper.start(order);
  assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(node.dir));
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  assert.match(status, new RegExp(`PPid:\t${node.helper.pid}\n`));
  assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8').trim(), '500');
  const expected = mayLowerOomScore() ? '-900' : '0';
  assert.equal(readFileSync(`/proc/${node.helper.pid}/oom_score_adj`, 'utf8').trim(), expected);
  await node.helper.destroy(order);
});

/** In some containers root may not. */
function mayLowerOomScore(): boolean {
  const script = 'echo -900 > /proc/self/oom_score_adj';
  return spawnSync('/bin/busybox', ['sh', '-c', script], { stdio: 'ignore' }).status === 0;
}
