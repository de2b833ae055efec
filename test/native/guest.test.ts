import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildGuest, guestDigest } from '../../src/host/kit/guest-program.ts';
import { runProgram } from '../../src/kit/run.ts';

const SOURCE = join(import.meta.dirname, '../../native/guest/guest.c');

test("the machines' first program is compiled as the kit does it: static, and for no other place", async () => {
  const dir = await mkdtemp(join(tmpdir(), 'arc-guest-'));
  const program = join(dir, 'init');
  const bytes = await buildGuest(program, runProgram);
  assert.ok(bytes.subarray(0, 4).equals(Buffer.from([0x7f, 0x45, 0x4c, 0x46])));
  const headers = execFileSync('readelf', ['--program-headers', program], { encoding: 'utf8' });
  assert.doesNotMatch(headers, /INTERP|DYNAMIC/);
  const here = spawnSync(program, { encoding: 'utf8' });
  assert.deepEqual([here.status, here.stderr], [64, 'arc-guest is the first program of a virtual machine\n']);
  assert.match(await guestDigest(), /^[0-9a-f]{64}$/);
  await rm(dir, { recursive: true });
});

test('it compiles without a warning, and with the checks of the sanitizers', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'arc-guest-'));
  const strict = ['-std=gnu11', '-Wall', '-Wextra', '-Werror', '-Wno-format-truncation', '-Wno-unused-function'];
  const checked = ['-O1', '-fsanitize=address,undefined', '-Wno-unused-variable'];
  const { status, stderr } = spawnSync('cc', [...strict, ...checked, '-o', join(dir, 'init'), SOURCE], {
    encoding: 'utf8',
  });
  assert.deepEqual([status, stderr], [0, '']);
  await rm(dir, { recursive: true });
});
