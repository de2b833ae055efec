import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { runProgram } from '../../src/kit/run.ts';
import { ROOT } from './sources.ts';

/** Generous: other tests run on the same processors. */
const TIMEOUT_MS = 300_000;

async function check(program: string, ...args: string[]): Promise<void> {
  // The programs of npm find their interpreter along PATH; this test's own is the right one.
  const env = { PATH: `${join(process.execPath, '..')}:${process.env.PATH}`, NO_COLOR: '1' };
  const argv = [join(ROOT, 'node_modules/.bin', program), ...args];
  const { code, stdout, stderr, notStarted } = await runProgram(argv, { env, timeoutMs: TIMEOUT_MS });
  assert.equal(code, 0, notStarted ?? `${stdout}\n${stderr}`);
}

test('the types fit', async () => {
  await check('tsc', '--noEmit', '-p', ROOT);
  // What runs in browsers is checked without the types of Node.
  await check('tsc', '--noEmit', '-p', join(ROOT, 'src/console'));
});

test('the linter and the formatter have nothing to say', async () => {
  await check('biome', 'check', '--config-path', ROOT, '--reporter=github', '--max-diagnostics=200', ROOT);
});
