import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ArcError } from '../../src/contract/errors.ts';
import type { Exit } from '../../src/contract/spec.ts';
import { JournalLogs } from '../../src/host/journal/logs.ts';
import { realClock } from '../../src/kit/real.ts';
import { TestNode, until } from './box.ts';

let node: TestNode;
let logs: JournalLogs;
before(async () => {
  node = await TestNode.start();
  logs = new JournalLogs(join(node.dir, 'sandboxes'), realClock);
});
after(() => node[Symbol.asyncDispose]());

const sh = (script: string) => ['/bin/sh', '-c', script];
const entry = async (id: string) => (await node.helper.list()).find((one) => one.id === id);

/** Kills the helper without a warning, and waits for the next one, which the client starts by itself. */
async function killHelper(): Promise<void> {
  const before = node.helper.pid;
  assert.ok(before);
  process.kill(before, 'SIGKILL');
  await until(async () => {
    await node.helper.list();
    return node.helper.pid !== before;
  }, 'another helper');
}

async function outputOf(id: string): Promise<string> {
  const chunks = await Array.fromAsync(logs.read(id, { since: 0, follow: false }, new AbortController().signal));
  return Buffer.concat(chunks.filter(({ stream }) => stream === 'stdout').map(({ data }) => data)).toString();
}

test('a helper that is killed comes back by itself, and finds what runs again', async () => {
  const order = node.order({ command: sh('trap "exit 5" USR1; while :; do sleep 0.02; done') });
  const { pid, pidStart } = await node.helper.start(order);
  const ups: boolean[] = [];
  const off = node.helper.onConnection((up) => ups.push(up));
  await killHelper();
  off();
  assert.deepEqual(ups, [false, true]);
  const found = await entry(order.id);
  assert.equal(found?.phase, 'running');
  assert.equal(found?.pid, pid);
  assert.equal(found?.pidStart, pidStart);
  let exit: Exit | undefined;
  node.helper.onExit((target, how) => {
    if (target.id === order.id) exit = how;
  });
  await node.helper.signal(order, 'SIGUSR1');
  await until(() => exit !== undefined, 'the end of a process that is not its child');
  assert.ok(exit?.code === 5 || (exit?.code === null && exit.note), JSON.stringify(exit));
});

test('the rate of a log holds on for what an earlier helper has started', async () => {
  const flood = 'dd if=/dev/zero bs=64k count=64 2>/dev/null';
  const order = node.order({
    command: sh(`trap "${flood}; exit" USR1; while :; do sleep 0.02; done`),
    logRate: 16 * 1024,
  });
  await node.helper.start(order);
  await killHelper();
  await node.helper.signal(order, 'SIGUSR1');
  await until(async () => (await entry(order.id))?.phase === 'exited', 'the end of the flood');
  const { bytes, dropped } = await logs.totals(order.id);
  assert.ok(bytes < 1 << 20 && dropped > 3 << 20, `${bytes} bytes are kept, ${dropped} were dropped`);
});

test('output goes on over many deaths of the helper, with nothing lost but what was in its hands', {
  timeout: 60_000,
}, async () => {
  const last = 3_000;
  const script = `i=0; while [ $i -lt ${last} ]; do echo line-$i; i=$((i+1)); [ $((i%100)) = 0 ] && sleep 0.05; done; sleep 1000`;
  const order = node.order({ command: sh(script) });
  await node.helper.start(order);
  for (let i = 0; i < 5; i++) await killHelper();
  await until(async () => (await outputOf(order.id)).includes(`line-${last - 1}\n`), 'the last line');
  const lines = (await outputOf(order.id)).trim().split('\n');
  const seen = new Set(lines);
  let missing = 0;
  for (let i = 0; i < last; i++) if (!seen.has(`line-${i}`)) missing++;
  /* One read that was not yet written, for each death, at the very most; as a rule it is none. */
  assert.ok(missing <= 5 * 100, `${missing} lines are missing`);
  assert.equal(new Set(lines).size, lines.length, 'no line came twice');
  const all = await Array.fromAsync(logs.read(order.id, { since: 0, follow: false }, new AbortController().signal));
  assert.deepEqual(
    all.map(({ seq }) => seq),
    all.map((_, index) => index + 1),
  );
  assert.ok(all.some(({ stream, data }) => stream === 'arc' && /restarted here/.test(Buffer.from(data).toString())));
  await node.helper.destroy(order);
});

test('what ends while no helper is there is known to have ended, and how where the kernel still knows it', async () => {
  const order = node.order({ command: sh('sleep 1000') });
  const { pid } = await node.helper.start(order);
  const helper = node.helper.pid;
  assert.ok(helper);
  process.kill(helper, 'SIGSTOP');
  process.kill(pid, 'SIGKILL');
  process.kill(helper, 'SIGKILL');
  await until(async () => (await entry(order.id))?.phase === 'exited', 'its end');
  const exit = (await entry(order.id))?.exit;
  assert.equal(exit?.code, null);
  assert.ok(exit?.signal === 'SIGKILL' || /not known/.test(exit?.note ?? ''), JSON.stringify(exit));
  await killHelper();
  assert.deepEqual((await entry(order.id))?.exit, exit, 'it is remembered');
});

test('the last words of a program that ends while the helper is away are not lost', async () => {
  const order = node.order({
    command: sh('trap "echo last words; exit 3" USR1; echo up; while :; do sleep 0.02; done'),
  });
  const { pid } = await node.helper.start(order);
  await until(async () => (await outputOf(order.id)) === 'up\n', 'it is up');
  const helper = node.helper.pid;
  assert.ok(helper);
  process.kill(helper, 'SIGSTOP');
  process.kill(pid, 'SIGUSR1');
  await until(() => /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')), 'it has ended');
  process.kill(helper, 'SIGKILL');
  await until(async () => (await entry(order.id))?.phase === 'exited', 'its end is known');
  assert.equal(await outputOf(order.id), 'up\nlast words\n');
});

test('commands and terminals end with the helper that held them, and their readers hear of it', async () => {
  const order = node.order({ command: sh('sleep 1000') });
  const { pid } = await node.helper.start(order);
  const plain = await node.helper.exec(order, node.execOrder(order.id, 'ex-one', ['/bin/sleep', '4444']));
  const tty = await node.helper.exec(
    order,
    node.execOrder(order.id, 'ex-two', ['/bin/sleep', '4444'], { tty: { cols: 80, rows: 24 } }),
  );
  await killHelper();
  for (const stream of [plain, tty]) await assert.rejects(stream.exit, (error) => error instanceof ArcError);
  const tasks = () =>
    readFileSync(`${node.helper.cgroupPaths(order.id).pids}/cgroup.procs`, 'utf8')
      .trim()
      .split('\n')
      .map(Number);
  await until(
    () => tasks().length <= 2 && tasks().includes(pid),
    () => `what ran in it is left: ${tasks()}`,
  );
  assert.equal((await entry(order.id))?.phase, 'running');
  assert.deepEqual(await node.helper.execs(order), []);
});

test('a start that the helper died in is found as half made, and leaves nothing when it is destroyed', async () => {
  const order = node.order({ command: sh('true'), argv: ['/bin/sleep', '7777'], timeoutMs: 60_000, upper: 'image' });
  const starting = assert.rejects(node.helper.start(order), (error) => error instanceof ArcError);
  await until(() => existsSync(`/sys/class/net/${order.net.hostInterface}`), 'it is half made');
  await killHelper();
  await starting;
  assert.equal((await entry(order.id))?.phase, 'partial');
  await node.helper.destroy(order);
  assert.ok(!existsSync(order.dir));
});

test('a server that comes back finds the helper as it was', async () => {
  const order = node.order({ command: sh('sleep 1000') });
  await node.helper.start(order);
  const stream = await node.helper.exec(order, node.execOrder(order.id, 'ex-keep', ['/bin/cat']));
  const pid = node.helper.pid;
  await stream[Symbol.asyncDispose]();
  await node.reconnect();
  assert.equal(node.helper.pid, pid);
  await using again = await node.helper.join(order, 'ex-keep');
  await again.write(Buffer.from('and goes on'));
  await again.closeStdin();
  const chunks = await Array.fromAsync(again.output);
  assert.equal(Buffer.concat(chunks.map(({ data }) => data)).toString(), 'and goes on');
  assert.equal((await again.exit).code, 0);
});

test('records of another boot, torn or strange ones, and strangers among the folders do no harm', async () => {
  const write = (id: string, record: string) => {
    mkdirSync(node.boxDir(id), { recursive: true });
    writeFileSync(join(node.boxDir(id), 'record'), record);
  };
  const fields = (more: Record<string, string>) =>
    Object.entries({
      v: '1',
      inc: '3',
      phase: 'running',
      slot: '9',
      hostif: 'arct9',
      pid: '1',
      pidStart: '0',
      boot: 'other',
      ...more,
    })
      .map(([key, value]) => `${key}=${value}\0`)
      .join('');
  write('sb-testold', fields({ id: 'sb-testold' }));
  write('sb-testlie', fields({ id: 'sb-another' }));
  write('sb-testtorn', 'v=1\0id=sb-testtorn\0pha');
  write('sb-testempty', '');
  await killHelper();
  assert.equal((await entry('sb-testold'))?.phase, 'partial', 'of another boot nothing runs, and pid 1 is let be');
  for (const id of ['sb-testlie', 'sb-testtorn', 'sb-testempty']) assert.equal(await entry(id), undefined);
  for (const id of ['sb-testold', 'sb-testlie', 'sb-testtorn', 'sb-testempty']) {
    await node.helper.destroy({ id, incarnation: 3 });
    assert.ok(!existsSync(node.boxDir(id)));
  }
});

test('a second helper on the same data folder ends at once and says why by its exit code', async () => {
  const argv = readFileSync(`/proc/${node.helper.pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  const [binary = '', ...rest] = argv;
  assert.throws(
    () => execFileSync(binary, rest, { stdio: 'ignore' }),
    (error: unknown) => (error as { status: number }).status === 75,
  );
  assert.ok((await node.helper.list()).length >= 0);
});
