import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BANS, broken } from './bans.ts';
import { source, sources } from './sources.ts';

const TEXT = /\.(ts|js|json|md|c|h|sh|ya?ml|service|html|css)$|^(arc|\.ci\/.*)$/;

test('nothing that is banned is used', () => {
  assert.deepEqual(broken(sources(TEXT)), []);
});

const FOUND: Readonly<Record<string, readonly string[]>> = {
  'Date.now()': ['const t = Date.now();'],
  'new Date() of now': ['new Date()'],
  'performance.now()': ['performance.now()', 'process.hrtime.bigint()'],
  'Math.random()': ['Math.random()'],
  'a bare timer': ['setTimeout(f, 1)', "import { setTimeout } from 'node:timers/promises';"],
  "a timer of the platform's": ['AbortSignal.timeout(5)'],
  'process.env or process.argv': ['process.env.HOME', 'process.argv[2]'],
  'a shell': ['spawn(x, { shell: true })', "exec('ls')", "spawn('sh', ['-c', x])"],
  'a recursive removal': ['await rm(x, { recursive: true })'],
  console: ['console.log(1)'],
  any: ['const x: any = 1', 'x as any', 'Array<any>'],
  'a switched off check': ['// @ts-ignore', '// biome-ignore lint/x'],
  'a test left out': ["test.skip('x')", 'test(x, { skip: true })', "test.only('x')"],
  'a note to oneself': ['// TODO later'],
  "a path of a developer's machine": ['/home/bob/arc', '/Users/bob/x'],
};

test('each ban finds what it bans', () => {
  for (const { what } of BANS) {
    for (const line of FOUND[what] ?? [])
      assert.equal(broken([source('src/domain/a.ts', line)]).length, 1, `${what}: ${line}`);
    assert.ok((FOUND[what] ?? []).length > 0, `${what} has no example`);
  }
});

test('what only looks like it is let be', () => {
  const lines = [
    'new Date(ms)',
    'clock.setTimeout(1)',
    'regex.exec(text)',
    "engine.exec('x')",
    '// Date.now is for main',
    'if any of them',
  ];
  for (const line of lines) assert.deepEqual(broken([source('src/domain/a.ts', line)]), [], line);
  assert.deepEqual(broken([source('src/kit/real.ts', 'Date.now()')]), []);
  assert.deepEqual(broken([source('src/a/b.test.ts', 'Date.now()')]), []);
  assert.deepEqual(broken([source('src/a/b.ts', '// biome-ignore lint/a/b: the protocol wants it')]), []);
});
