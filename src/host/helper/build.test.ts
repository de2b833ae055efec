import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ArcError } from '../../contract/errors.ts';
import { buildHelper } from './build.ts';

async function withSource(source: string, work: (nativeDir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync('/tmp/arc-build-');
  try {
    writeFileSync(join(dir, 'arc-node.c'), source);
    await work(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const unfit = (text: RegExp) => (error: unknown) =>
  error instanceof ArcError && error.code === 'host_unfit' && text.test(`${error.message} ${error.hint}`);

test('compiles once, and again only when a source is newer', () =>
  withSource('int main(void) { return 0; }\n', async (nativeDir) => {
    const binary = await buildHelper({ nativeDir });
    const first = statSync(binary).mtimeMs;
    await buildHelper({ nativeDir });
    assert.equal(statSync(binary).mtimeMs, first);
    const later = new Date(first + 10_000);
    utimesSync(join(nativeDir, 'arc-node.c'), later, later);
    utimesSync(binary, new Date(first), new Date(first));
    await buildHelper({ nativeDir });
    assert.notEqual(statSync(binary).mtimeMs, first);
  }));

test('without a compiler it says what to install', () =>
  withSource('', async (nativeDir) => {
    await assert.rejects(
      buildHelper({ nativeDir, compilers: ['no-such-compiler'] }),
      unfit(/apt-get install gcc libc6-dev/),
    );
  }));

test('what the compiler says is handed on, and no half binary is left', () =>
  withSource('int main(void) { return nothing; }\n', async (nativeDir) => {
    await assert.rejects(buildHelper({ nativeDir }), unfit(/nothing/));
    assert.ok(!existsSync(join(nativeDir, 'build/arc-node')));
  }));
