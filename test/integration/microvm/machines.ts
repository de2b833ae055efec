import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findKit, makeKit } from '../../../src/host/kit/kit.ts';
import { RootDisks } from '../../../src/host/kit/root-disks.ts';
import { realClock, realRng } from '../../../src/kit/real.ts';
import { runProgram } from '../../../src/kit/run.ts';
import { hostTscKhz } from '../../../src/runtimes/microvm/host.ts';
import { qemu } from '../../../src/runtimes/microvm/qemu.ts';
import { MicrovmRuntime } from '../../../src/runtimes/microvm/runtime.ts';
import type { World } from '../node/harness.ts';

const CACHE = join(import.meta.dirname, '../../../node_modules/.cache/arc-kit');

/** Made once for all tests, and again when it is of another version. */
export async function testKit() {
  await mkdir(CACHE, { recursive: true });
  return (await findKit(CACHE)) ?? (await makeKit(CACHE, runProgram, () => {}));
}

export async function machines(at: World): Promise<() => MicrovmRuntime> {
  const kit = await testKit();
  const monitor = qemu({
    program: '/usr/bin/qemu-system-x86_64',
    kvm: existsSync('/dev/kvm'),
    tscKhz: await hostTscKhz(),
  });
  const deps = {
    ...at.deps,
    ...{ kit, monitor, bwrap: '/usr/bin/bwrap', clock: realClock, rng: realRng, note: 'under test' },
    snapshotsDir: join(at.dir, 'saved'),
    rootDisks: new RootDisks({
      dir: join(at.dir, 'roots'),
      programs: {
        ...{ mkfsErofs: '/usr/bin/mkfs.erofs', unshare: '/usr/bin/unshare' },
        ...{ nsenter: '/usr/bin/nsenter', mount: '/usr/bin/mount' },
      },
      run: runProgram,
    }),
  };
  return () => new MicrovmRuntime(deps, async () => []);
}
