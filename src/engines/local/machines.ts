import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findKit } from '../../host/kit/kit.ts';
import { RootDisks } from '../../host/kit/root-disks.ts';
import { hostTscKhz, MicrovmRuntime, probeMachines, qemu } from '../../runtimes/microvm/index.ts';
import type { NodeParts, ProbeParts } from '../../runtimes/oci/index.ts';
import type { Runtime } from '../../runtimes/runtime.ts';
import type { LocalEngineDeps } from './create.ts';

/** Absolute paths. */
export interface MachinePrograms {
  readonly qemu: string;
  readonly bwrap: string;
  readonly mkfsErofs: string;
  readonly unshare: string;
  readonly mount: string;
}

/** Folder of the kit in a data folder, and beneath it of the disks and the saved machines made with it. */
export const kitFolder = (dataDir: string): string => join(dataDir, 'kit');

/** The runtimes that give the level microvm here: none without the programs or the kit. */
export async function machineRuntimes(
  { dataDir, programs, run, clock, rng }: LocalEngineDeps,
  parts: NodeParts,
  probe: Omit<ProbeParts, 'clock'>,
): Promise<readonly Runtime[]> {
  const { machines, nsenter } = programs;
  if (machines === undefined || parts.arch !== 'x64') return [];
  const dir = kitFolder(dataDir);
  const kit = await findKit(dir);
  if (kit === undefined) return [];
  const monitor = qemu({ program: machines.qemu, kvm: existsSync('/dev/kvm'), tscKhz: await hostTscKhz() });
  const deps = {
    ...{ ...parts, kit, monitor, bwrap: machines.bwrap, clock, rng, snapshotsDir: join(dir, 'saved') },
    rootDisks: new RootDisks({ dir: join(dir, 'roots'), programs: { ...machines, nsenter }, run }),
    note: monitor.emulated ? 'by emulation, slow: there is no /dev/kvm' : `kernel ${kit.version} of its own`,
  };
  return [new MicrovmRuntime(deps, (runtime) => probeMachines(runtime, monitor, deps.note, { ...probe, clock }))];
}
