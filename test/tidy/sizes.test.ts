import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALLOWED, helperLines, MAX_GUEST_LINES, MAX_HELPER_LINES, tooLong, tooWide } from './sizes.ts';
import { paths, source, sources } from './sources.ts';

test('no file is longer than its limit', () => {
  assert.deepEqual(tooLong(sources(/^(src|test|bench|examples|native)\/.*\.(tsx?|css|c|h)$/)), []);
});

test('each exception names a file that is there and a reason', () => {
  for (const { path, reason } of ALLOWED) assert.ok(paths().includes(path) && reason.length > 20, path);
});

test('no line of C, shell or launcher is wider than 120 columns; the formatter sees to the rest', () => {
  assert.deepEqual(tooWide(sources(/^(native\/.*\.[ch]|arc|.*\.sh|\.ci\/.*)$/)), []);
});

test('the node helper has at most 1,500 lines', () => {
  const files = sources(/^native\/[^/]*\.[ch]$/).filter(({ path }) => !/whoami|test|fuzz/.test(path));
  const lines = helperLines(files);
  assert.ok(lines <= MAX_HELPER_LINES, `${lines} lines`);
});

test('the first program of virtual machines has at most 600 lines of its own', () => {
  const lines = helperLines(sources(/^native\/guest\/.*\.[ch]$/));
  assert.ok(lines > 0 && lines <= MAX_GUEST_LINES, `${lines} lines`);
});

test('what is too long or too wide is found, and an exception may only shrink', () => {
  const long = source('src/a.ts', 'x\n'.repeat(501));
  assert.equal(tooLong([long]).length, 1);
  assert.equal(tooLong([long], [{ path: 'src/a.ts', lines: 501, reason: '' }]).length, 0);
  assert.equal(tooLong([long], [{ path: 'src/a.ts', lines: 500, reason: '' }]).length, 1);
  assert.equal(tooLong([long], [{ path: 'src/a.ts', lines: 600, reason: '' }]).length, 1);
  assert.equal(tooLong([source('src/a.test.ts', 'x\n'.repeat(501))]).length, 0);
  assert.equal(tooWide([source('a.c', `${'é'.repeat(120)}\n${'x'.repeat(121)}`)]).length, 1);
});
