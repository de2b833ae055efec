import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ERRORS } from '../../src/contract/errors.ts';
import { isPattern, namedPaths, titles } from './documents.ts';
import { ROOT, source, sources } from './sources.ts';

const documents = () => sources(/\.md$/);
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

test('every path that a document names is there', () => {
  const lost = documents().flatMap((file) =>
    namedPaths(file)
      .filter(({ path }) => !isPattern(path) && !existsSync(join(ROOT, path)))
      .map(({ path, line }) => `${file.path}:${line} names ${path}`),
  );
  assert.deepEqual(lost, []);
});

test('every document has one title, and begins with it', () => {
  for (const file of documents()) {
    assert.equal(titles(file).length, 1, file.path);
    assert.match(file.lines[0] ?? '', /^# \S/, file.path);
  }
});

test('the documents that people look for are there', () => {
  for (const name of ['README', 'ARCHITECTURE', 'CONTRIBUTING', 'SECURITY', 'CHANGELOG']) {
    assert.ok(existsSync(join(ROOT, `${name}.md`)), `${name}.md`);
  }
});

test('each property that SECURITY.md promises names tests that attack it, and they are there', () => {
  const section = /## Shown by attack\n([\s\S]*?)\n## /.exec(read('SECURITY.md'))?.[1] ?? '';
  const rows = section.split('\n').filter((line) => /^\| (?!---|property)/.test(line));
  assert.ok(rows.length >= 14, `${rows.length} properties`);
  for (const row of rows) {
    const [property = '', tests = ''] = row.slice(2).split(' | ');
    const named = [...tests.matchAll(/`([^`]+\.test\.ts)`/g)].map(([, path = '']) => path);
    assert.ok(named.length > 0, `no test attacks: ${property}`);
    for (const path of named) assert.ok(existsSync(join(ROOT, path)), path);
  }
});

test('every error code is on the page of errors, and the page has no other', () => {
  const listed = [...read('docs/reference/errors.md').matchAll(/^[|#].*?`([a-z_]+)`/gm)].map(([, code = '']) => code);
  assert.deepEqual([...new Set(listed)].sort(), Object.keys(ERRORS).sort());
});

test('every package that is depended on has a sentence in ARCHITECTURE.md', () => {
  const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string> | undefined>;
  const kinds = ['dependencies', 'optionalDependencies', 'devDependencies'];
  const names = kinds.flatMap((kind) => Object.keys(manifest[kind] ?? {}));
  const text = read('ARCHITECTURE.md');
  assert.deepEqual(
    names.filter((name) => !text.includes(`\`${name}\``)),
    [],
  );
});

test('the lock file names no registry and no folder outside', () => {
  const lines = read('package-lock.json').split('\n');
  const bad = lines.filter((line) =>
    /"resolved":|"file:|https?:\/\/(?!.*(fund|sponsor|opencollective|patreon|tidelift|feross))/.test(line),
  );
  assert.deepEqual(
    bad.filter((line) => !/"url":/.test(line)),
    [],
  );
});

test('a lost path, a second title and a path in a link are found', () => {
  const file = source('docs/a.md', '# A\n`src/no/such.ts` and [b](../deploy/x) `src/*/y.ts`\n```\n# not one\n```\n# B');
  assert.deepEqual(
    namedPaths(file).map(({ path }) => path),
    ['src/no/such.ts', 'src/*/y.ts', 'deploy/x'],
  );
  assert.equal(titles(file).length, 2);
});
