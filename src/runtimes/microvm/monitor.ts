import type { Kit } from '../../host/kit/kit.ts';

/** Where a monitor finds things: it runs with an empty root that holds nothing else. */
export const INSIDE = {
  run: '/run/arc',
  guest: '/run/arc/guest',
  control: '/run/arc/control',
  pid: '/run/arc/pid',
  exit: '/run/arc/exit',
  saving: '/run/arc/saved',
  savingMemory: '/run/arc/memory',
  stdout: '/run/stdout',
  stderr: '/run/stderr',
  kernel: '/machine/kernel',
  initrd: '/machine/initrd',
  root: '/machine/root',
  disk: '/machine/disk',
  saved: '/machine/saved',
  memory: '/machine/memory',
} as const;

export const TAP = 'tap0';

/** One virtual machine, as any monitor is told of it. */
export interface Machine {
  readonly memoryBytes: number;
  readonly cpus: number;
  /** Hardware address of its network card. */
  readonly mac: string;
  readonly mtu: number;
  /** Of its writable disk; without one its layer is in memory. */
  readonly diskBytes?: number;
  /** `save`: it is booted only to be saved, without a network and without a program. `load`: it begins as saved. */
  readonly purpose: 'boot' | 'save' | 'load';
}

/** Host paths that a machine is made of. */
export interface MachineFiles {
  readonly kit: Kit;
  /** Read-only disk of the template's root. */
  readonly root: string;
  readonly disk?: string;
  /** Folder for sockets and for how it ended; owned by root of the sandbox. */
  readonly state: string;
  /** What the program prints goes there; a machine to be saved has none. */
  readonly printed?: { readonly stdout: string; readonly stderr: string };
  /** What `ip -batch` is told, for its network card. */
  readonly tap?: string;
  /** The saved machine that it begins as. */
  readonly saved?: string;
  /** Host uid and gid that it may have, beside root of the sandbox. */
  readonly owner: number;
}

/** A command line for the node helper, and how that sees that the monitor runs. */
export interface Launch {
  readonly argv: readonly string[];
  /** Relative to the sandbox's folder. */
  readonly pidFile: string;
  /** `runtime`: what is started stays; `pid-file`: it ends, and the monitor is what its file names. */
  readonly follow: 'runtime' | 'pid-file';
}

/** A program that runs virtual machines. */
export interface Monitor {
  readonly name: 'qemu' | 'firecracker';
  /** Absolute path. */
  readonly program: string;
  /** No KVM: each instruction is translated, which is slow and isolates as well. */
  readonly emulated: boolean;
  /** Memory of its own on top of the machine's. */
  readonly overheadBytes: number;
  /** Port that the machine's first program listens at, where it is called by vsock; its serial port else. */
  readonly vsockPort?: number;
  /** Who owns the folder of a machine that is booted to be saved. */
  readonly saverUid: number;
  /** Of a sandbox, in the namespaces that the helper has made. */
  launch(machine: Machine, files: MachineFiles): Launch;
  /** Of a machine to be saved, in namespaces of its own; it ends with this process. */
  alone(machine: Machine, files: MachineFiles): readonly string[];
  /** Once it runs: says what its command line did not say, and begins the machine. @param state the folder's host path */
  begin(machine: Machine, state: string, signal: AbortSignal): Promise<void>;
  /** Saves a machine that waits for its order: into `saved` and, where it takes two files, `memory` of its folder. */
  save(machine: Machine, state: string, signal: AbortSignal): Promise<void>;
}

/** The other file of a saved machine, where there are two. */
export const memoryOf = (saved: string): string => saved.replace(/\.machine$/, '.memory');
