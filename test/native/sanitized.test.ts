import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { HelperStart } from '../../src/host/helper/port.ts';
import { encodeFields, encodeFrame, type Field, HEADER_BYTES, MESSAGE } from '../../src/host/helper/wire.ts';
import { TestNode, until } from './box.ts';

/** The helper, built with sanitizers, with real sandboxes: their whole life, and clients that misbehave meanwhile. */

const SEED = Number(process.env.ARC_FUZZ_SEED ?? Date.now() % 1_000_000);
const ROUNDS = 150;
const ROUND_MS_MAX = 40;

let node: TestNode;
before(async () => {
  node = await TestNode.start(undefined, { sanitize: true });
});
after(() => node[Symbol.asyncDispose]());

const log = () => readFileSync(join(node.dir, 'helper.log'), 'utf8');
const clean = (pid: number | undefined) => {
  assert.doesNotMatch(log(), /ERROR: AddressSanitizer|runtime error|LeakSanitizer/, `seed ${SEED}`);
  assert.equal(node.helper.pid, pid, `it is the same helper after all, seed ${SEED}`);
};
const sh = (script: string) => ['/bin/sh', '-c', script];

async function running(script = 'exec sleep 100000'): Promise<HelperStart> {
  const order = node.order({ command: sh(script), logBytes: 1 << 18 });
  await node.helper.start(order);
  return order;
}

test('a whole life under sanitizers: output, commands, terminals, files, ends', { timeout: 60_000 }, async () => {
  const pid = node.helper.pid;
  const box = await running('dd if=/dev/zero bs=64k count=40 2>/dev/null; exec sleep 100000');
  const plain = await node.helper.exec(box, node.execOrder(box.id, 'ex-plain', ['/bin/cat']));
  await plain.write(Buffer.alloc(400_000, 7));
  await plain.closeStdin();
  let bytes = 0;
  for await (const { data } of plain.output) bytes += data.byteLength;
  assert.equal(bytes, 400_000);
  const first = await node.helper.exec(
    box,
    node.execOrder(box.id, 'ex-tty', ['/bin/sh'], { tty: { cols: 80, rows: 24 } }),
  );
  await first.write(Buffer.from('i=0; while [ $i -lt 2000 ]; do echo line-$i; i=$((i+1)); done\n'));
  const second = await node.helper.join(box, 'ex-tty');
  await assert.rejects(first.exit);
  await second.resize(100, 50);
  await second.write(Buffer.from('exit 3\n'));
  assert.equal((await second.exit).code, 3);
  const files = await node.helper.files(box, '/');
  assert.ok((await files.list('/bin')).length > 100);
  await files[Symbol.asyncDispose]();
  await node.helper.stop(box);
  await node.helper.destroy(box);
  await assert.rejects(node.helper.start(node.order({ command: ['/bin/nothing'] })));
  clean(pid);
});

test(`clients that misbehave around a running sandbox do no harm (seed ${SEED})`, { timeout: 120_000 }, async () => {
  const pid = node.helper.pid;
  const next = random(SEED);
  let box = await running();
  for (let i = 0, execs = 0; i < ROUNDS; i++) {
    if (!(await node.helper.list()).some(({ id, phase }) => id === box.id && phase === 'running')) {
      await node.helper.destroy(box);
      box = await running();
      execs = 0;
    }
    const id = `ex-f${execs++}`;
    const tty = next(2) === 0 ? { tty: { cols: 80, rows: 24 } } : {};
    const command = next(2) === 0 ? ['/bin/cat'] : sh('echo out; echo err >&2; exit 3');
    const stream = await node.helper.exec(box, node.execOrder(box.id, id, command, tty)).catch(() => undefined);
    await Promise.all([send(round(box, id, next)), send(round(box, id, next))]);
    await stream?.[Symbol.asyncDispose]();
  }
  await node.helper.destroy(box);
  await until(async () => (await node.helper.list()).every(({ id }) => id !== box.id), 'it is gone');
  clean(pid);
});

/** A greeting, something sensible about this sandbox, then stream frames, some of them damaged, and the end at once. */
function round(box: HelperStart, exec: string, next: (below: number) => number): Buffer {
  const about: Field[] = [
    ['id', box.id],
    ['inc', box.incarnation],
    ['exec', exec],
  ];
  const attach = encodeFrame(MESSAGE.attach, 2, encodeFields(about));
  const others = [
    encodeFrame(MESSAGE.files, 3, encodeFields([...about, ['root', '/']])),
    encodeFrame(MESSAGE.execs, 4, encodeFields(about)),
    encodeFrame(MESSAGE.signalExec, 5, encodeFields([...about, ['signal', 9]])),
    encodeFrame(MESSAGE.resizeExec, 6, encodeFields([...about, ['cols', 9], ['rows', 70_000]])),
    encodeFrame(next(20) === 0 ? MESSAGE.stop : MESSAGE.list, 7, encodeFields(about)),
    encodeFrame(MESSAGE.subscribe, 8),
  ];
  const stream = [
    encodeFrame(MESSAGE.stdin, 0, Buffer.alloc(next(70_000))),
    encodeFrame(MESSAGE.stdinClose, 0),
    encodeFrame(MESSAGE.read, 9, encodeFields([['path', '/bin/busybox']])),
    encodeFrame(
      MESSAGE.write,
      10,
      encodeFields([
        ['path', '/tmp/x'],
        ['mode', 420],
      ]),
    ),
    encodeFrame(MESSAGE.data, 10, Buffer.alloc(next(3_000))),
    encodeFrame(MESSAGE.end, 10),
    encodeFrame(MESSAGE.continue, 9),
  ];
  const pick = (from: readonly Buffer[]) => damaged(from[next(from.length)] ?? attach, next);
  const parts = Array.from({ length: 1 + next(8) }, () => pick(next(3) === 0 ? others : stream));
  return Buffer.concat([
    encodeFrame(MESSAGE.hello, 1, encodeFields([['v', 1]])),
    next(2) ? attach : pick(others),
    ...parts,
  ]);
}

function damaged(frame: Buffer, next: (below: number) => number): Buffer {
  const bytes = Buffer.from(frame);
  if (next(4) > 0) return bytes;
  const at = next(2) === 0 ? next(HEADER_BYTES) : next(bytes.length);
  /* Of the type, never `quit`: that it ends is no fault. */
  if (at !== 4 && at !== 5) bytes[at] = next(256);
  return next(3) === 0 ? bytes.subarray(0, next(bytes.length)) : bytes;
}

function send(bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(join(node.dir, 'helper.sock'), () => socket.write(bytes));
    socket.on('data', () => {});
    socket.setTimeout(ROUND_MS_MAX, () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => resolve());
  });
}

/** xorshift32: a seed replays a failure. */
function random(seed: number) {
  let state = seed | 1;
  return (below: number) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
