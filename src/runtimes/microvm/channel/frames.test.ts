import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame, FrameReader, HEADER_BYTES, PAYLOAD_BYTES_MAX } from './frames.ts';

const someFrame = fc.record(
  {
    kind: fc.integer({ min: 1, max: 6 }),
    stream: fc.integer({ min: 0, max: 65_535 }),
    payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  },
  { noNullPrototype: true },
);

function pieces(bytes: Buffer, sizes: readonly number[]): readonly Buffer[] {
  const parts: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    parts.push(bytes.subarray(at, at + size));
    at += size;
  }
  return [...parts, bytes.subarray(at)];
}

test('frames come out as they went in, however they are cut', () => {
  fc.assert(
    fc.property(fc.array(someFrame, { maxLength: 8 }), fc.array(fc.nat(200), { maxLength: 20 }), (frames, sizes) => {
      const bytes = Buffer.concat(frames.map(({ kind, stream, payload }) => encodeFrame(kind, stream, payload)));
      const reader = new FrameReader();
      assert.deepEqual(
        pieces(bytes, sizes).flatMap((part) => reader.push(part)),
        frames,
      );
    }),
  );
});

test('a machine that sends whatever it likes breaks nothing and makes nothing grow', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 20 }), someFrame, (noise, last) => {
      const reader = new FrameReader();
      for (const bytes of noise) reader.push(Buffer.from(bytes));
      // What was left half said ends within one frame's worth of zeros; then a frame is heard again.
      reader.push(Buffer.alloc(PAYLOAD_BYTES_MAX + HEADER_BYTES));
      const heard = reader.push(encodeFrame(last.kind, last.stream, last.payload));
      assert.deepEqual(heard.at(-1), last);
    }),
  );
});

test('a frame that was changed on its way is not heard', () => {
  fc.assert(
    fc.property(someFrame, fc.nat(), fc.integer({ min: 1, max: 255 }), ({ kind, stream, payload }, where, change) => {
      const bytes = encodeFrame(kind, stream, payload);
      const at = where % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ change;
      assert.deepEqual(new FrameReader().push(bytes), []);
    }),
  );
});
