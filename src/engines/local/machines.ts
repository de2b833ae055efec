import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findKit, type Kit } from '../../host/kit/kit.ts';
import { RootDisks } from '../../host/kit/root-disks.ts';
import {
  absentMachines,
  firecracker,
  hostTscKhz,
  MicrovmRuntime,
  type Monitor,
  probeMachines,
  qemu,
} from '../../runtimes/microvm/index.ts';
import type { NodeParts, ProbeParts } from '../../runtimes/oci/index.ts';
import type { Runtime } from '../../runtimes/runtime.ts';
import type { LocalEngineDeps } from './create.ts';

/** Absolute paths. */
export interface MachinePrograms {
  readonly mkfsErofs: string;
  readonly unshare: string;
  readonly mount: string;
  readonly qemu?: { readonly program: string; readonly bwrap: string };
  /** What is there of it; all of them are needed. */
  readonly firecracker?: FirecrackerPrograms;
}

export interface FirecrackerPrograms {
  readonly program: string;
  readonly jailer?: string;
  readonly socat?: string;
  readonly setpriv?: string;
}

/** Folder of the kit in a data folder, and beneath it of the disks and the saved machines made with it. */
export const kitFolder = (dataDir: string): string => join(dataDir, 'kit');

const KVM = '/dev/kvm';

/** The runtimes that give the level microvm here, the best first: none without the programs or the kit. */
export async function machineRuntimes(
  deps: LocalEngineDeps,
  parts: NodeParts,
  probe: Omit<ProbeParts, 'clock'>,
): Promise<readonly Runtime[]> {
  const { dataDir, programs, run, clock, rng } = deps;
  const { machines, nsenter } = programs;
  if (machines === undefined || parts.arch !== 'x64') return [];
  const dir = kitFolder(dataDir);
  const kit = await findKit(dir);
  if (kit === undefined) return [];
  const rootDisks = new RootDisks({ dir: join(dir, 'roots'), programs: { ...machines, nsenter }, run });
  const refused = firecrackerLacks(machines.firecracker, existsSync(KVM));
  return (await monitors(deps, machines, kit)).map((monitor) => {
    const note = noteOf(monitor, kit, refused);
    const own = { kit, monitor, clock, rng, rootDisks, snapshotsDir: join(dir, 'saved'), note };
    const why = monitor.name === 'firecracker' ? refused : undefined;
    return new MicrovmRuntime({ ...parts, ...own }, (runtime) =>
      why === undefined
        ? probeMachines(runtime, monitor, note, { ...probe, clock })
        : Promise.resolve(absentMachines(monitor, why)),
    );
  });
}

async function monitors(
  { clock }: LocalEngineDeps,
  { unshare, qemu: emulator, firecracker: fire }: MachinePrograms,
  kit: Kit,
): Promise<readonly Monitor[]> {
  const kvm = existsSync(KVM) ? kit.kvm : undefined;
  const { program = '', jailer = '', setpriv = '' } = fire ?? {};
  const small = fire === undefined ? [] : [firecracker({ program, jailer, setpriv, unshare, clock })];
  const usual = emulator === undefined ? [] : [qemu({ ...emulator, kvm, tscKhz: await hostTscKhz(), clock })];
  // Firecracker is the smaller one and was never met here for real: it comes first once its trials are on a machine with KVM.
  return [...usual, ...small];
}

/** Why Firecracker can't be used here and what would bring it, or undefined. It has no emulation to fall back to. */
export function firecrackerLacks(programs: FirecrackerPrograms | undefined, kvm: boolean): string | undefined {
  const missing = [
    ...(kvm ? [] : [`${KVM}, which this machine has not: enable virtualisation, or nested virtualisation in its host`]),
    ...(programs?.program ? [] : ['the program `firecracker` of its release page']),
    ...(programs?.jailer ? [] : ['the program `jailer` of the same release']),
    ...(programs?.socat ? [] : ['socat: apt-get install socat']),
    ...(programs?.setpriv ? [] : ['setpriv: apt-get install util-linux']),
  ];
  return missing.length === 0 ? undefined : `Firecracker needs ${missing.join('; ')}`;
}

function noteOf(monitor: Monitor, kit: Kit, refused: string | undefined): string {
  const own = monitor.emulated ? `by emulation, slow: there is no ${KVM}` : `kernel ${kit.version} of its own`;
  return monitor.name === 'qemu' && refused !== undefined ? `${own}; ${refused}` : own;
}
