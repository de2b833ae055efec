import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { decodeCursor, encodeCursor } from './cursors.ts';

const id = fc.stringMatching(/^sb-[a-z2-7]{4,37}$/);

it('a cursor leads back to its id for the same question, and to nothing for another', () => {
  fc.assert(
    fc.property(id, fc.string(), fc.string(), (after, question, other) => {
      const cursor = encodeCursor(after, question);
      assert.equal(decodeCursor(cursor, question), after);
      assert.match(cursor, /^[A-Za-z0-9_-]+$/);
      if (other !== question) assert.throws(() => decodeCursor(cursor, other), { code: 'cursor_invalid' });
    }),
  );
});

it('a cursor that was cut or altered, and any other text, is refused', () => {
  fc.assert(
    fc.property(id, fc.nat(), fc.string({ minLength: 1, maxLength: 1 }), (after, place, put) => {
      const cursor = encodeCursor(after, 'q');
      const at = place % cursor.length;
      const altered = `${cursor.slice(0, at)}${put}${cursor.slice(at + 1)}`;
      if (altered !== cursor) assert.throws(() => decodeCursor(altered, 'q'), { code: 'cursor_invalid' });
      assert.throws(() => decodeCursor(cursor.slice(0, at), 'q'), { code: 'cursor_invalid' });
    }),
  );
  fc.assert(
    fc.property(fc.string(), (text) => assert.throws(() => decodeCursor(text, 'q'), { code: 'cursor_invalid' })),
  );
});
