import type { Level } from '../../sdk/index.ts';

/** What each level is, in the words of SECURITY.md: what stands between the code and this machine, and what is left. */
export interface LevelText {
  readonly title: string;
  readonly between: string;
  readonly protects: string;
  readonly leaves: string;
}

export const LEVEL_TEXTS: Readonly<Record<Level, LevelText>> = {
  wasm: {
    title: 'WebAssembly',
    between: 'A WebAssembly engine: the code has no system calls at all, only what the engine hands it.',
    protects: 'Everything that the engine does not offer: files, processes, sockets and the kernel itself.',
    leaves: 'A hole in the engine is a way into its process, which is confined in turn.',
  },
  jail: {
    title: 'Jail',
    between: 'Namespaces and a seccomp filter around plain processes, without an image of their own.',
    protects: 'Other sandboxes’ processes, files and network, and this machine’s own.',
    leaves: 'The host’s kernel is shared: a hole in a system call that is allowed is a way out.',
  },
  container: {
    title: 'Container',
    between:
      'Own user, mount, pid, ipc, uts, cgroup and network namespaces, no capabilities, a seccomp allow-list, limits.',
    protects:
      'Other sandboxes and the host against code that plays by the kernel’s rules, and against many that do not.',
    leaves:
      'The host’s kernel is shared: a hole in it is a way out. Choose gVisor for code that is really out to get you.',
  },
  gvisor: {
    title: 'gVisor',
    between: 'A second kernel, written in Go, that answers the system calls; the host sees few of them.',
    protects: 'The host’s kernel against almost every hole that a program could use directly.',
    leaves: 'A hole in gVisor and one in the host’s kernel, one after the other.',
  },
  kata: {
    title: 'Kata',
    between: 'A virtual machine of its own for each sandbox, with a kernel of its own.',
    protects: 'The host’s kernel: what the code attacks is a kernel that is its own.',
    leaves: 'Holes in the hypervisor and in the processor.',
  },
  microvm: {
    title: 'MicroVM',
    between: 'A small virtual machine with next to no devices, and a kernel of its own.',
    protects: 'The host’s kernel: what the code attacks is a kernel that is its own, behind a very small hypervisor.',
    leaves: 'Holes in the hypervisor and in the processor.',
  },
};
