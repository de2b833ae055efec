import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ArcError } from '../../src/contract/errors.ts';
import type { ExecStream, Target } from '../../src/engines/engine.ts';
import { type HelperExec, RuntimeFailed } from '../../src/host/helper/port.ts';
import { TestNode, until } from './box.ts';

let node: TestNode;
let box: Target;
let count = 0;
before(async () => {
  node = await TestNode.start();
  box = await running();
});
after(() => node[Symbol.asyncDispose]());

async function running(): Promise<Target> {
  const order = node.order({ command: sh('exec sleep 100000') });
  await node.helper.start(order);
  return order;
}

const sh = (script: string) => ['/bin/sh', '-c', script];
const isCode = (code: string) => (error: unknown) => error instanceof ArcError && error.code === code;

function exec(command: readonly string[], more: Partial<HelperExec> = {}): Promise<ExecStream> {
  return node.helper.exec(box, node.execOrder(box.id, `ex-test${++count}`, command, more));
}

/** What a stream gives until it ends, by stream. */
async function drain(stream: ExecStream): Promise<{ stdout: Buffer; stderr: Buffer }> {
  const chunks = await Array.fromAsync(stream.output);
  const of = (name: string) => Buffer.concat(chunks.filter((chunk) => chunk.stream === name).map(({ data }) => data));
  return { stdout: of('stdout'), stderr: of('stderr') };
}

/** Reads until the output so far matches. */
function reader(stream: ExecStream) {
  const chunks = stream.output[Symbol.asyncIterator]();
  let text = '';
  return async (pattern: RegExp) => {
    while (!pattern.test(text)) {
      const { value, done } = await chunks.next();
      assert.ok(!done, `ended before ${pattern}: ${text}`);
      text += Buffer.from(value.data).toString();
    }
    const all = text;
    text = '';
    return all;
  };
}

test('a command has its streams apart, its input, and its exit code', async () => {
  await using stream = await exec(sh('cat; echo done >&2; exit 5'));
  await stream.write(Buffer.from('hello '));
  await stream.write(Buffer.from('there'));
  await stream.closeStdin();
  const { stdout, stderr } = await drain(stream);
  assert.equal(stdout.toString(), 'hello there');
  assert.equal(stderr.toString(), 'done\n');
  const exit = await stream.exit;
  assert.equal(exit.code, 5);
  assert.equal(exit.timedOut, false);
});

test('a megabyte goes in and comes out as it was', async () => {
  await using stream = await exec(['/bin/cat']);
  const bytes = Buffer.alloc(3_000_000);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31 + (i >> 8)) & 255;
  const reading = drain(stream);
  await stream.write(bytes);
  await stream.closeStdin();
  assert.ok((await reading).stdout.equals(bytes));
});

test('a program waits while nobody reads it, and loses nothing', async () => {
  const script =
    'i=0; while [ $i -lt 40 ]; do dd if=/dev/zero bs=64k count=1 2>/dev/null; i=$((i+1)); echo $i > /tmp/at; done';
  const stream = await exec(sh(script));
  const id = stream.id;
  await stream[Symbol.asyncDispose]();
  const at = async () => Number((await drain(await exec(['/bin/cat', '/tmp/at']))).stdout.toString());
  let before = -1;
  await until(async () => {
    const now = await at();
    const stands = now === before && now > 10;
    before = now;
    return stands;
  }, 'it stands still');
  assert.ok(before < 30, `${before} of 40`);
  await using again = await node.helper.join(box, id);
  const { stdout } = await drain(again);
  assert.ok(stdout.length <= 40 * 65_536 && stdout.length >= 40 * 65_536 - 2 * 1024 * 1024, `${stdout.length}`);
  assert.equal((await again.exit).code, 0);
});

test('a terminal has a size, is resized, and takes Ctrl-C', async () => {
  await using stream = await exec(['/bin/sh'], { tty: { cols: 91, rows: 33 } });
  assert.equal(stream.tty, true);
  const read = reader(stream);
  await stream.write(Buffer.from('stty size; tty\n'));
  await read(/33 91\r\n\/dev\/pts\/\d/);
  await stream.resize(120, 40);
  await stream.write(Buffer.from('stty size\n'));
  await read(/40 120\r\n/);
  await stream.write(Buffer.from(`sh -c "echo be''gun; exec sleep 1000"; echo en''ded\n`));
  await read(/begun\r\n/);
  await stream.write(Buffer.from('\x03'));
  await stream.write(Buffer.from('echo st""ill here\n'));
  await read(/still here/);
  await stream.write(Buffer.from('exit 4\n'));
  assert.equal((await stream.exit).code, 4);
});

test('a terminal is left and joined again with its last screenfuls; the first reader is told of the second', async () => {
  const first = await exec(['/bin/sh'], { tty: { cols: 80, rows: 24 } });
  await first.write(Buffer.from('i=0; while [ $i -lt 9000 ]; do echo line-$i; i=$((i+1)); done; echo al""l\n'));
  await reader(first)(/all\r\n/);
  await using second = await node.helper.join(box, first.id);
  await assert.rejects(first.exit, isCode('conflict'));
  const seen = await reader(second)(/all\r\n/);
  assert.ok(seen.length > 30_000 && seen.length < 100_000, `${seen.length}`);
  await second.write(Buffer.from('exit\n'));
  assert.equal((await second.exit).code, 0);
});

test('it is signalled, listed, and found again by id until its end was read', async () => {
  const stream = await exec(sh('trap "exit 9" TERM; echo up; while :; do sleep 0.02; done'));
  await reader(stream)(/up/);
  const listed = (await node.helper.execs(box)).find(({ id }) => id === stream.id);
  assert.equal(listed?.command[0], '/bin/sh');
  assert.equal(listed?.exit, undefined);
  await stream[Symbol.asyncDispose]();
  await node.helper.signalExec(box, stream.id, 'TERM');
  await until(
    async () => (await node.helper.execs(box)).find(({ id }) => id === stream.id)?.exit?.code === 9,
    'its end',
  );
  const again = await node.helper.join(box, stream.id);
  assert.equal((await again.exit).code, 9);
  await assert.rejects(node.helper.join(box, stream.id), isCode('exec_not_found'));
  await assert.rejects(node.helper.signalExec(box, 'ex-nothere', 'TERM'), isCode('exec_not_found'));
});

test('a command that takes too long is ended with all that came from it', async () => {
  await using stream = await exec(sh('sleep 4321 & sleep 4321; echo never'), { timeoutMs: 300 });
  assert.equal((await drain(stream)).stdout.toString(), '');
  const exit = await stream.exit;
  assert.equal(exit.timedOut, true);
  assert.equal(exit.signal, 'SIGKILL');
  await using left = await exec(sh('ps | grep -c "[s]leep 4321" || true'));
  assert.match((await drain(left)).stdout.toString(), /^0\n$/);
});

test('a background process does not keep a finished command from ending', async () => {
  await using stream = await exec(sh('sleep 1000 & echo started'));
  assert.equal((await drain(stream)).stdout.toString(), 'started\n');
  assert.equal((await stream.exit).code, 0);
});

test('a command that is not there fails with what the runtime says', async () => {
  await assert.rejects(exec(['/bin/nothing-here']), (error) => {
    assert.ok(error instanceof RuntimeFailed);
    assert.match(error.output, /nothing-here/);
    return true;
  });
  assert.ok(!(await node.helper.execs(box)).some(({ command }) => command[0] === '/bin/nothing-here'));
});

test('a reader that is slow holds up its own program only', async () => {
  await using slow = await exec(sh('yes'));
  await reader(slow)(/y/);
  await using quick = await exec(sh('echo quick'));
  assert.equal((await drain(quick)).stdout.toString(), 'quick\n');
  await slow.signal('SIGKILL');
});

test('it is in the cgroup of the sandbox, and ends with it', async () => {
  const other = await running();
  const stream = await node.helper.exec(other, node.execOrder(other.id, 'ex-last', ['/bin/cat']));
  await node.helper.destroy(other);
  const end = await stream.exit.then(
    ({ signal }) => signal,
    (error: ArcError) => error.code,
  );
  assert.ok(end === 'SIGKILL' || end === 'helper_unavailable', String(end));
});
