import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { hierarchiesOfFiles } from '../../src/host/cgroups/hierarchies.ts';
import { encodeFields, encodeFrame, type Field, HEADER_BYTES, MESSAGE } from '../../src/host/helper/wire.ts';
import { TestNode } from './box.ts';

/** The helper, built with sanitizers, at the receiving end of frames that are random, or once were good. */

const ROUNDS = 400;
const ROUND_MS_MAX = 30;
const SEED = Number(process.env.ARC_FUZZ_SEED ?? Date.now() % 1_000_000);

let node: TestNode;
before(async () => {
  node = await TestNode.start(hierarchiesOfFiles(1, '/nowhere'), { sanitize: true });
});
after(() => node[Symbol.asyncDispose]());

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

const hello = encodeFrame(MESSAGE.hello, 1, encodeFields([['v', 1]]));

function goodFrames(id: string): Buffer[] {
  const target = [
    ['id', id],
    ['inc', 1],
  ] as const;
  const start = [
    ...target,
    ...Object.entries({
      dir: node.boxDir(id),
      slot: 1,
      hostBase: 1 << 28,
      idCount: 65_536,
      hostif: 'arctfuzz',
      lower: '/nowhere',
      idmap: 'mount',
      upperKind: 'memory',
      upperBytes: 1 << 20,
      upperInodes: 10,
      rootMount: '/nowhere',
      netPair: '00',
      netHost: '0',
      netInside: 'zz',
      limit: 'memory.max=1',
      logBytes: 1 << 16,
      stdioUid: 1,
      arg: '/bin/false',
      pidFile: 'pid',
      timeoutMs: 50,
      follow: 'pid-file',
    }),
  ];
  return [
    encodeFrame(MESSAGE.start, 2, encodeFields(start)),
    encodeFrame(MESSAGE.list, 3),
    encodeFrame(MESSAGE.stop, 4, encodeFields(target)),
    encodeFrame(MESSAGE.destroy, 5, encodeFields(target)),
    encodeFrame(MESSAGE.signal, 6, encodeFields([...target, ['signal', 15]])),
    encodeFrame(MESSAGE.subscribe, 7),
    encodeFrame(MESSAGE.exec, 8, encodeFields([...target, ['exec', 'ex-a'], ['arg', '/bin/false'], ['pidFile', 'p']])),
    encodeFrame(MESSAGE.attach, 9, encodeFields([...target, ['exec', 'ex-a']])),
    encodeFrame(MESSAGE.execs, 10, encodeFields(target)),
    encodeFrame(MESSAGE.files, 11, encodeFields([...target, ['root', '/']])),
    encodeFrame(
      MESSAGE.layerMarks,
      12,
      encodeFields([
        ['dir', node.lower],
        ['whiteout', 'tmp/fuzz'],
      ]),
    ),
  ];
}

function mutate(frame: Buffer, next: (below: number) => number): Buffer {
  const bytes = Buffer.from(frame);
  for (let i = next(4); i >= 0; i--) {
    const at = next(3) === 0 ? next(HEADER_BYTES) : next(bytes.length);
    /* Of the type, never `quit`: that it ends is no fault. */
    if (at !== 4 && at !== 5) bytes[at] = next(256);
  }
  return next(4) === 0 ? bytes.subarray(0, next(bytes.length)) : bytes;
}

function round(next: (below: number) => number): Buffer {
  const good = goodFrames(`sb-test${next(4)}`);
  const parts = Array.from({ length: 1 + next(6) }, () => {
    const frame = good[next(good.length)] ?? hello;
    const kind = next(5);
    if (kind === 0) return Buffer.from(Array.from({ length: 6 + next(300) }, () => next(256))).fill(0xff, 4, 6);
    return kind === 1 ? frame : mutate(frame, next);
  });
  return Buffer.concat(next(10) === 0 ? parts : [hello, ...parts]);
}

function send(bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(join(node.dir, 'helper.sock'), () => socket.write(bytes, () => socket.end()));
    socket.resume();
    socket.setTimeout(ROUND_MS_MAX, () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => resolve());
  });
}

test(`random and mutated frames do no harm (seed ${SEED})`, { timeout: 120_000 }, async () => {
  const pid = node.helper.pid;
  const next = random(SEED);
  for (let i = 0; i < ROUNDS; i++) await send(round(next));
  await node.helper.list();
  const log = readFileSync(join(node.dir, 'helper.log'), 'utf8');
  assert.doesNotMatch(log, /ERROR: AddressSanitizer|runtime error/, `seed ${SEED}`);
  assert.equal(node.helper.pid, pid, `it is the same helper after all, seed ${SEED}`);
});

test('two orders of one sandbox, of a client that is gone by then, are both gone through', async () => {
  const pid = node.helper.pid ?? assert.fail();
  const target: Field[] = [
    ['id', 'sb-test9'],
    ['inc', 1],
  ];
  const socket = connect(join(node.dir, 'helper.sock'));
  socket.write(hello);
  await once(socket, 'data');
  // The helper stands still, so that it reads both when nobody is there any more to be answered.
  process.kill(pid, 'SIGSTOP');
  try {
    const orders = [2, 3].map((number) => encodeFrame(MESSAGE.destroy, number, encodeFields(target)));
    await new Promise((resolve) => socket.write(Buffer.concat(orders), resolve));
    socket.destroy();
    await once(socket, 'close');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await node.helper.list();
  assert.doesNotMatch(readFileSync(join(node.dir, 'helper.log'), 'utf8'), /ERROR: AddressSanitizer|runtime error/);
  assert.equal(node.helper.pid, pid);
});

test('a frame that is too large, or of another version, ends only its own connection', async () => {
  const large = Buffer.alloc(HEADER_BYTES);
  large.writeUInt32LE(0xffffffff, 0);
  const reserved = encodeFrame(MESSAGE.list, 1);
  reserved.writeUInt16LE(1, 6);
  for (const bytes of [large, reserved, encodeFrame(999, 1), Buffer.from('GET / HTTP/1.1\r\n\r\n')]) {
    const closed = await new Promise<boolean>((resolve) => {
      const socket = connect(join(node.dir, 'helper.sock'), () => socket.write(Buffer.concat([hello, bytes])));
      socket.resume();
      socket.on('close', () => resolve(true));
      socket.on('error', () => {});
    });
    assert.ok(closed);
  }
  await node.helper.list();
});
