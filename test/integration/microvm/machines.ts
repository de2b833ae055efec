import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findKit, makeKit } from '../../../src/host/kit/kit.ts';
import { RootDisks } from '../../../src/host/kit/root-disks.ts';
import { realClock, realRng } from '../../../src/kit/real.ts';
import { runProgram } from '../../../src/kit/run.ts';
import type { Monitor } from '../../../src/runtimes/microvm/monitor.ts';
import { hostTscKhz } from '../../../src/runtimes/microvm/qemu/host.ts';
import { qemu } from '../../../src/runtimes/microvm/qemu/qemu.ts';
import { MicrovmRuntime } from '../../../src/runtimes/microvm/runtime.ts';
import type { World } from '../node/harness.ts';

export const CACHED_KIT = join(import.meta.dirname, '../../../node_modules/.cache/arc-kit');

/** Made once for all tests, and again when it is of another version. */
export async function testKit() {
  await mkdir(CACHED_KIT, { recursive: true });
  return (await findKit(CACHED_KIT)) ?? (await makeKit(CACHED_KIT, runProgram, () => {}));
}

export async function qemuHere(): Promise<Monitor> {
  const { kvm } = await testKit();
  const programs = { program: '/usr/bin/qemu-system-x86_64', bwrap: '/usr/bin/bwrap', clock: realClock };
  return qemu({ ...programs, kvm: existsSync('/dev/kvm') ? kvm : undefined, tscKhz: await hostTscKhz() });
}

export async function machines(at: World, monitor: Monitor): Promise<() => MicrovmRuntime> {
  const kit = await testKit();
  const deps = {
    ...at.deps,
    ...{ kit, monitor, clock: realClock, rng: realRng, note: 'under test' },
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
