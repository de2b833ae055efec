import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { labelIndexes, matches, parseSelector, parseSelectors, selectorWhere } from './selectors.ts';

const key = fc.stringMatching(/^[a-zA-Z0-9]([a-zA-Z0-9._/-]{0,20}[a-zA-Z0-9])?$/);
const value = fc.stringMatching(/^[ -~]{0,20}$/);
const labels = fc.dictionary(key, value, { maxKeys: 5 });

it('a selector is a key, or a key with everything behind the first equals sign', () => {
  assert.deepEqual(parseSelector('user_id=42'), { key: 'user_id', value: '42' });
  assert.deepEqual(parseSelector('a=b=c'), { key: 'a', value: 'b=c' });
  assert.deepEqual(parseSelector('a='), { key: 'a', value: '' });
  assert.deepEqual(parseSelector('a'), { key: 'a' });
});

it('odd selectors are refused', () => {
  for (const text of ['', '=', '=x', 'a b', '-a', 'a=ü', 'a=\n', `a=${'x'.repeat(129)}`, 'x'.repeat(10_000)]) {
    assert.throws(() => parseSelector(text), { code: 'invalid_request' }, JSON.stringify(text.slice(0, 20)));
  }
  assert.throws(() => parseSelectors(Array.from({ length: 17 }, () => 'a')), { code: 'invalid_request' });
});

it('what the store finds by its indexes is what matches', () => {
  fc.assert(
    fc.property(labels, key, fc.option(value, { nil: undefined }), (all, name, wanted) => {
      const selector = parseSelector(wanted === undefined ? name : `${name}=${wanted}`);
      const where = selectorWhere(selector);
      const found = labelIndexes(all)[where.index]?.includes(where.value) ?? false;
      assert.equal(found, matches(all, [selector]));
    }),
  );
});

it('every label is found by its own selector', () => {
  fc.assert(
    fc.property(labels, (all) => {
      const selectors = Object.entries(all).flatMap(([name, text]) => [{ key: name }, { key: name, value: text }]);
      assert.ok(matches(all, selectors));
      assert.ok(!matches(all, [...selectors, { key: 'not-there' }]));
    }),
  );
});
