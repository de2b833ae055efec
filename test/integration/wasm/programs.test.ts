import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ArcError } from '../../../src/contract/errors.ts';
import { JournalLogs } from '../../../src/host/journal/logs.ts';
import { realClock } from '../../../src/kit/real.ts';
import type { Handle } from '../../../src/runtimes/runtime.ts';
import { go, js, python, run, type WasmWorld, wasmWorld } from './harness.ts';
import { helloModule } from './wasi-module.ts';

let world: WasmWorld;
let handle: Handle;
before(async () => {
  world = await wasmWorld();
  handle = await world.runtime.start(world.order({ spec: { env: { A: '1', B: '1' } } }), go());
});
after(() => world[Symbol.asyncDispose]());

test('a hello world in Python, and one in JavaScript', async () => {
  assert.deepEqual(pick(await run(world.runtime, handle, python('print(6*7)'))), ['42\n', '', 0]);
  assert.deepEqual(pick(await run(world.runtime, handle, js('console.log(6*7)'))), ['42\n', '', 0]);
});

test('a command has its own streams, input, environment, folder and exit code', async () => {
  const text = 'import sys, os; print(sys.stdin.read(), os.environ["A"], os.environ["B"], os.getcwd()); sys.exit(4)';
  const more = { stdin: 'in', env: { B: '2' }, cwd: '/tmp' };
  assert.deepEqual(pick(await run(world.runtime, handle, python(text), more)), ['in 1 2 /tmp\n', '', 4]);
  const same =
    'console.log(require("fs").readFileSync(0), process.env.A, process.env.B, process.cwd()); process.exit(4)';
  assert.deepEqual(pick(await run(world.runtime, handle, js(same), more)), ['in 1 2 /tmp\n', '', 4]);
});

test('an error that nobody caught is told with where it was, and is exit code 1', async () => {
  const one = await run(world.runtime, handle, python('1/0'));
  assert.equal(one.code, 1);
  assert.match(one.stderr, /^Traceback[\s\S]*ZeroDivisionError/);
  assert.doesNotMatch(one.stderr, /_arc_main/);
  const other = await run(world.runtime, handle, js('nothing.at.all'));
  assert.equal(other.code, 1);
  assert.match(other.stderr, /ReferenceError/);
});

test('what is put off is done before the program ends', async () => {
  const text = 'setTimeout(() => console.log("later"), 5); Promise.resolve().then(() => console.log("soon"))';
  assert.equal((await run(world.runtime, handle, js(text))).stdout, 'soon\nlater\n');
  const waits = 'import asyncio\nasync def f():\n  await asyncio.sleep(0.01)\n  return 5\nprint(asyncio.run(f()))';
  assert.equal((await run(world.runtime, handle, python(waits))).stdout, '5\n');
});

test('files go from outside to Python, from there to JavaScript, and out again', async () => {
  const session = await world.runtime.files(handle);
  await session.mkdir('/srv/in', 0o755);
  await session.write('/srv/in/a.py', one('open("/srv/b.txt", "w").write("from " + __file__)'), 0o644);
  assert.deepEqual(pick(await run(world.runtime, handle, ['python3', '/srv/in/a.py'])), ['', '', 0]);
  const text =
    'const fs = require("fs"); fs.writeFileSync("/srv/c.txt", fs.readFileSync("/srv/b.txt", "utf8") + "!"); fs.unlinkSync("/srv/b.txt")';
  assert.deepEqual(pick(await run(world.runtime, handle, js(text))), ['', '', 0]);
  const parts: Uint8Array[] = [];
  for await (const part of session.read('/srv/c.txt')) parts.push(part);
  assert.equal(Buffer.concat(parts).toString(), 'from /srv/in/a.py!');
  await assert.rejects(session.stat('/srv/b.txt', false), code('file_not_found'));
  for (const path of ['/srv/../../agent.json', '/../agent.json', '/dev/x', '/lib/python3.py']) {
    await assert.rejects(session.write(path, one('x'), 0o644), code('file_refused'), path);
  }
});

test('modules of JavaScript find each other', async () => {
  const session = await world.runtime.files(handle);
  await session.write('/root/n.mjs', one('export const x = 5;'), 0o644);
  await session.write('/root/m.mjs', one('import { x } from "./n.mjs"; console.log(x);'), 0o644);
  assert.deepEqual(pick(await run(world.runtime, handle, ['node', '/root/m.mjs'])), ['5\n', '', 0]);
});

test('any command module of WASI runs, with a root of its own or from the files', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'arcw-root-'));
  try {
    await mkdir(join(folder, 'bin'));
    await writeFile(join(folder, 'bin/hello.wasm'), helloModule('hello from wasi\n', 3));
    const order = world.order({ spec: { command: ['/bin/hello.wasm'], root: { kind: 'layers', digests: [] } } });
    const started = await world.runtime.start({ ...order, lowers: [folder] }, go());
    assert.equal((await world.runtime.wait(started, go())).code, 3);
    const logs = new JournalLogs(join(world.dir, 'sandboxes'), realClock);
    let said = '';
    for await (const chunk of logs.read(order.id, { since: 0, follow: false }, go()))
      said += Buffer.from(chunk.data).toString();
    assert.equal(said, 'hello from wasi\n');
    await world.runtime.destroy(order);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('a first program has a log and an end that every listener hears of once', async () => {
  const order = world.order({ spec: { command: [...python('print("one"); import sys; sys.exit(7)')] } });
  const heard: unknown[] = [];
  const off = world.runtime.onExit(({ id }, exit) => heard.push([id, exit.code]));
  const started = await world.runtime.start(order, go());
  assert.equal((await world.runtime.wait(started, go())).code, 7);
  assert.deepEqual(heard, [[order.id, 7]]);
  off();
  await world.runtime.destroy(order);
});

test('what is no program here is refused by name, with what there is', async () => {
  for (const command of [['bash', '-c', 'id'], ['/usr/bin/gcc'], ['nothing.wasm']]) {
    await assert.rejects(run(world.runtime, handle, command), code('command_not_found'));
  }
  await assert.rejects(
    run(world.runtime, handle, python('1'), { tty: { cols: 80, rows: 24 } }),
    (error) => error instanceof ArcError && error.code === 'exec_failed' && /no terminal/.test(error.message),
  );
});

test('a command goes on when its reader leaves and can be joined again', async () => {
  const command = python('print("got", input())');
  const first = await world.runtime.exec(handle, 'ex-joinedaa', { command, env: {} });
  await first[Symbol.asyncDispose]();
  assert.ok((await world.runtime.execs(handle)).some(({ id }) => id === 'ex-joinedaa'));
  const second = await world.runtime.join(handle, 'ex-joinedaa');
  await second.write(Buffer.from('hello\n'));
  let seen = '';
  for await (const { data } of second.output) seen += Buffer.from(data).toString('utf8');
  assert.equal(seen, 'got hello\n');
  assert.equal((await second.exit).code, 0);
});

test('files outlive a stop, a start and a restart of the server; a fresh start has none of them', async () => {
  const order = world.order();
  const before = await world.runtime.start(order, go());
  await run(world.runtime, before, python('open("/srv/note", "w").write("kept")'));
  await world.runtime.stop(order);
  const second = { ...order, incarnation: 2, fresh: false };
  await world.runtime.start(second, go());
  const again = world.restarted();
  const found = (await again.recover()).find((one) => one.phase === 'running' && one.handle.id === order.id);
  assert.ok(found?.phase === 'running');
  const read = python('import os; print(os.listdir("/srv"))');
  assert.equal((await run(again, found.handle, read)).stdout, "['note']\n");
  await again.stop(second);
  const third = await again.start({ ...order, incarnation: 3, fresh: true }, go());
  assert.equal((await run(again, third, read)).stdout, '[]\n');
  await again.destroy({ ...order, incarnation: 3 });
  assert.deepEqual(await world.residue(order.id), []);
});

function pick({ stdout, stderr, code: ended }: { stdout: string; stderr: string; code: number | null }) {
  return [stdout, stderr, ended];
}

async function* one(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text);
}

function code(wanted: string) {
  return (error: unknown) => error instanceof ArcError && error.code === wanted;
}
