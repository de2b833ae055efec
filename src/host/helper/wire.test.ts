import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFields, encodeFrame, type Field, Fields, FRAME_BYTES_MAX, FrameReader, WireError } from './wire.ts';

test('fields come back as they were, in order, whatever is in them but a NUL', () => {
  const value = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));
  const key = fc.stringMatching(/^[a-zA-Z]{1,12}$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(key, value)), (fields) => {
      const read = new Fields(encodeFields(fields as Field[]));
      for (const [name] of fields) {
        assert.deepEqual(
          read.all(name),
          fields.filter(([other]) => other === name).map(([, text]) => text),
        );
      }
    }),
  );
});

test('a value that holds a NUL is refused, since it could pass for another field', () => {
  assert.throws(() => encodeFields([['arg', 'a\0id=other']]), WireError);
});

test('frames come out whole however their bytes arrive', () => {
  const frame = fc.record({ type: fc.nat(65_535), id: fc.nat(), payload: fc.uint8Array({ maxLength: 200 }) });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 60 })), (frames, cuts) => {
      const bytes = Buffer.concat(frames.map(({ type, id, payload }) => encodeFrame(type, id, payload)));
      const reader = new FrameReader();
      const read = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = cuts[i % Math.max(1, cuts.length)] ?? bytes.length;
        read.push(...reader.push(bytes.subarray(at, at + size)));
        at += size;
      }
      assert.deepEqual(
        read.map(({ type, id, payload }) => ({ type, id, payload: [...payload] })),
        frames.map(({ type, id, payload }) => ({ type, id, payload: [...payload] })),
      );
    }),
  );
});

test('a frame beyond the bound is neither sent nor taken', () => {
  assert.throws(() => encodeFrame(1, 1, new Uint8Array(FRAME_BYTES_MAX + 1)), WireError);
  const head = Buffer.alloc(12);
  head.writeUInt32LE(FRAME_BYTES_MAX + 1, 0);
  assert.throws(() => new FrameReader().push(head), WireError);
  const reserved = encodeFrame(1, 1);
  reserved.writeUInt16LE(1, 6);
  assert.throws(() => new FrameReader().push(reserved), WireError);
});

test('fields that are no fields are refused', () => {
  for (const text of ['id=1', 'id\0', '=x\0']) assert.throws(() => new Fields(Buffer.from(text)), WireError, text);
});
