import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMPOSES, MAY_IMPORT, wrongDirections } from './imports.ts';
import { paths, source, sources } from './sources.ts';

const PROGRAM = /^src\/.*\.tsx?$/;

test('every import goes in the direction of the table', () => {
  assert.deepEqual(wrongDirections(sources(PROGRAM)), []);
});

test('every folder and port of the table exists, and every folder of src/ is in the table', () => {
  const named = [...new Set([...Object.keys(MAY_IMPORT), ...Object.values(MAY_IMPORT).flat()])];
  const files = paths();
  const there = (name: string) => files.some((path) => path === `src/${name}` || path.startsWith(`src/${name}/`));
  assert.deepEqual(
    named.filter((name) => !there(name)),
    [],
  );
  const folders = new Set(files.filter((path) => /^src\/[^/]+\//.test(path)).map((path) => path.split('/')[1] ?? ''));
  folders.delete(COMPOSES);
  assert.deepEqual(
    [...folders].filter((folder) => !(folder in MAY_IMPORT)),
    [],
  );
});

test('an import against the direction is found, however it is written', () => {
  const wrong = (path: string, text: string) => wrongDirections([source(path, text)]).length;
  assert.equal(wrong('src/domain/a.ts', "import { x } from '../store/store.ts';"), 1);
  assert.equal(wrong('src/server/core/a.ts', "import type { x } from '../../store/sqlite/store.ts';"), 1);
  assert.equal(wrong('src/kit/a.ts', "const x = await import('../contract/ids.ts');"), 1);
  assert.equal(wrong('src/store/a.ts', "import '../main/config/index.ts';"), 1);
  assert.equal(wrong('src/sdk/a.ts', "export * from '../../test/x.ts';"), 1);
  assert.equal(wrong('src/server/core/a.ts', "import type { Store } from '../../store/store.ts';"), 0);
  assert.equal(
    wrong('src/kit/a.ts', "import { ArcError } from '../contract/errors.ts';\n// from '../store/store.ts'"),
    0,
  );
});
