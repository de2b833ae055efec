import type { Kit } from '../../host/kit/kit.ts';

/** Where a monitor finds things: it runs with an empty root that holds nothing else. */
export const INSIDE = {
  run: '/run/arc',
  guest: '/run/arc/guest',
  control: '/run/arc/control',
  pid: '/run/arc/pid',
  exit: '/run/arc/exit',
  stdout: '/run/stdout',
  stderr: '/run/stderr',
  kernel: '/machine/kernel',
  initrd: '/machine/initrd',
  root: '/machine/root',
  disk: '/machine/disk',
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
  /** `save`: it is booted only to be saved, without a network and without a program. `load`: it begins as saved, at descriptor 3. */
  readonly purpose: 'boot' | 'save' | 'load';
}

/** A program that runs virtual machines. */
export interface Monitor {
  readonly name: string;
  /** Absolute path. */
  readonly program: string;
  /** No KVM: each instruction is translated, which is slow and isolates as well. */
  readonly emulated: boolean;
  /** Memory of its own on top of the machine's. */
  readonly overheadBytes: number;
  /** Device nodes that it needs beside the tap. */
  readonly devices: readonly string[];
  argv(machine: Machine): readonly string[];
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
}
