import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChunkEncoder, encodeChunk, unfinishedTail } from './text.ts';

function decode(chunk: { data: string; encoding: string }): Buffer {
  return Buffer.from(chunk.data, chunk.encoding === 'utf8' ? 'utf8' : 'base64');
}

test('text stays text wherever it is cut', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.array(fc.nat(40)), (text, cuts) => {
      const bytes = Buffer.from(text.toWellFormed());
      const encoder = new ChunkEncoder();
      const chunks = [];
      let from = 0;
      for (const cut of [...cuts, bytes.length]) {
        chunks.push(encoder.push(bytes.subarray(from, from + cut)));
        from += cut;
      }
      chunks.push(encoder.end());
      const given = chunks.filter((chunk) => chunk !== undefined);
      assert.ok(given.every(({ encoding }) => encoding === 'utf8'));
      assert.equal(given.map(({ data }) => data).join(''), bytes.toString());
    }),
  );
});

test('bytes of any kind come back as they were', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), (parts) => {
      const encoder = new ChunkEncoder();
      const given = [...parts.map((part) => encoder.push(part)), encoder.end()].filter((chunk) => chunk !== undefined);
      assert.deepEqual(Buffer.concat(given.map(decode)), Buffer.concat(parts));
    }),
  );
});

test('a byte order mark is kept', () => {
  const bytes = Buffer.from([0xef, 0xbb, 0xbf, 0x61]);
  assert.deepEqual(decode(encodeChunk(bytes)), bytes);
});

test('only the beginning of a character counts as unfinished', () => {
  for (const [bytes, tail] of [
    [[], 0],
    [[0x61], 0],
    [[0xc3], 1],
    [[0xc3, 0xa9], 0],
    [[0xe2, 0x82], 2],
    [[0xf0, 0x9f, 0x98], 3],
    [[0xf0, 0x9f, 0x98, 0x80], 0],
    [[0x80, 0x80, 0x80, 0x80], 0],
    [[0xff], 0],
    [[0xc0], 0],
  ] as const) {
    assert.equal(unfinishedTail(Uint8Array.from(bytes)), tail, String(bytes));
  }
});
