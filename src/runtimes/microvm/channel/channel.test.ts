import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ArcError } from '../../../contract/errors.ts';
import { realClock, realRng } from '../../../kit/real.ts';
import { GuestChannel } from './channel.ts';
import { encodeFrame, FrameReader, KIND, PAYLOAD_BYTES_MAX, STREAMS_MAX, WINDOW_BYTES } from './frames.ts';

type Frame = ReturnType<FrameReader['push']>[number];

/** A machine's end of the port, as the test wants it to behave. */
async function machine(answer: (frame: Frame, socket: Socket) => void) {
  const dir = await mkdtemp(join(tmpdir(), 'arc-channel-'));
  const path = join(dir, 'guest');
  const server = createServer((socket) => {
    const reader = new FrameReader();
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      for (const frame of reader.push(bytes)) answer(frame, socket);
    });
  });
  server.listen(path);
  await once(server, 'listening');
  const open = (signal = AbortSignal.timeout(10_000)) =>
    GuestChannel.open({ path, nonce: realRng.bytes(16), clock: realClock }, signal);
  return {
    open,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await rm(dir, { recursive: true });
    },
  };
}

const polite = (frame: Frame, socket: Socket): boolean => {
  if (frame.kind === KIND.hello) socket.write(encodeFrame(KIND.welcome, 0, frame.payload));
  return frame.kind === KIND.hello;
};

test('what was said before the welcome, and welcomes for others, are not heard', async () => {
  await using guest = await machine((frame, socket) => {
    if (frame.kind === KIND.hello) {
      socket.write(Buffer.from('left over from before'));
      socket.write(encodeFrame(KIND.data, 1, Buffer.from('stale')));
      socket.write(encodeFrame(KIND.welcome, 0, Buffer.alloc(16)));
    }
    if (polite(frame, socket)) return;
    if (frame.kind === KIND.open) socket.write(encodeFrame(KIND.data, frame.stream, Buffer.from('fresh')));
  });
  const channel = await guest.open();
  const [first] = await once(channel.connect(), 'data');
  assert.equal(String(first), 'fresh');
  channel.close();
});

test('a machine that never answers is given up when the caller gives up', async () => {
  await using guest = await machine(() => {});
  await assert.rejects(guest.open(AbortSignal.timeout(300)), { name: 'TimeoutError' });
});

test('a stream on which more comes than was allowed ends, and the others go on', async () => {
  await using guest = await machine((frame, socket) => {
    if (polite(frame, socket)) return;
    if (frame.kind === KIND.open && frame.stream === 1) {
      const part = encodeFrame(KIND.data, 1, Buffer.alloc(PAYLOAD_BYTES_MAX));
      for (let sent = 0; sent < 4 * WINDOW_BYTES; sent += PAYLOAD_BYTES_MAX) socket.write(part);
      socket.write(encodeFrame(KIND.data, 4000, Buffer.from('of no stream')));
    }
    if (frame.kind === KIND.data && frame.stream === 2) socket.write(encodeFrame(KIND.data, 2, frame.payload));
  });
  const channel = await guest.open();
  const flooded = channel.connect();
  const other = channel.connect();
  await once(flooded, 'close');
  other.write('still here');
  assert.equal(String((await once(other, 'data'))[0]), 'still here');
  channel.close();
});

test('nothing is sent beyond the window before the machine opens it again', async () => {
  let received = 0;
  let release = () => {};
  await using guest = await machine((frame, socket) => {
    if (polite(frame, socket) || frame.kind !== KIND.data) return;
    received += frame.payload.length;
    const credit = Buffer.alloc(4);
    credit.writeUInt32LE(WINDOW_BYTES);
    release = () => socket.write(encodeFrame(KIND.credit, frame.stream, credit));
    if (received > WINDOW_BYTES) return;
    if (received === WINDOW_BYTES) socket.write(encodeFrame(KIND.data, frame.stream, Buffer.from('full')));
  });
  const channel = await guest.open();
  const stream = channel.connect();
  const written = new Promise<void>((resolve) => stream.write(Buffer.alloc(WINDOW_BYTES + 10), () => resolve()));
  assert.equal(String((await once(stream, 'data'))[0]), 'full');
  assert.equal(received, WINDOW_BYTES);
  release();
  await written;
  channel.close();
});

test('streams are bounded, and all end with the channel', async () => {
  await using guest = await machine(polite);
  const channel = await guest.open();
  const streams = Array.from({ length: STREAMS_MAX }, () => channel.connect());
  assert.throws(
    () => channel.connect(),
    (error) => error instanceof ArcError && error.code === 'at_capacity',
  );
  const closed = Promise.all(streams.map((stream) => once(stream, 'close')));
  channel.close();
  await closed;
  assert.throws(
    () => channel.connect(),
    (error) => error instanceof ArcError && error.code === 'helper_unavailable',
  );
});
