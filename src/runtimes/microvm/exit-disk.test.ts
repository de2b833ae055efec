import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeExitDisk, readExit } from './exit-disk.ts';

const MONITOR = { code: 0, signal: null, oom: false, at: 77 };

async function read(sector: Uint8Array | string, incarnation = 1, monitor: Parameters<typeof readExit>[2] = MONITOR) {
  const dir = await mkdtemp(join(tmpdir(), 'arc-exit-'));
  try {
    const path = join(dir, 'exit');
    await writeFile(path, sector);
    return await readExit(path, incarnation, monitor);
  } finally {
    await rm(dir, { recursive: true });
  }
}

const sector = (fields: string): Buffer =>
  Buffer.concat([Buffer.from(`${fields}\0`), Buffer.alloc(512)]).subarray(0, 512);

test('what the program ended with is what the machine wrote, at the time that the host saw', async () => {
  assert.deepEqual(await read(sector('at=5\0oom=0\0code=7\0inc=1')), { code: 7, signal: null, oom: false, at: 77 });
  assert.deepEqual(await read(sector('at=5\0oom=1\0signal=9\0inc=1')), {
    ...{ code: null, signal: 'SIGKILL', oom: true, at: 77 },
  });
});

test('of another incarnation, or of a machine that wrote nothing, nothing is known', async () => {
  const note = 'its virtual machine broke down';
  assert.equal((await read(sector('at=5\0oom=0\0code=7\0inc=1'), 2)).note, note);
  assert.deepEqual(await read(Buffer.alloc(512)), { code: null, signal: null, oom: false, at: 77, note });
});

test('a monitor that was killed says so', async () => {
  const killed = { code: null, signal: 'SIGKILL', oom: true, at: 9 };
  assert.deepEqual(await read(Buffer.alloc(512), 1, killed), killed);
});

test('whatever a machine writes there, it is an end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 600 }), async (bytes) => {
      const exit = await read(bytes);
      assert.equal(exit.at, 77);
    }),
    { numRuns: 50 },
  );
});

test('the disk is one sector, whatever is written', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'arc-exit-'));
  await makeExitDisk(join(dir, 'exit'), process.getuid?.() ?? 0);
  assert.equal((await stat(join(dir, 'exit'))).size, 512);
  await rm(dir, { recursive: true });
});
