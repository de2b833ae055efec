import type { Level } from './states.ts';

/** What a level means to a person who chooses one, or looks at what was given. */
export interface LevelWords {
  /** What stands between the program and the machine. */
  readonly protects: string;
  /** What it does not keep apart: what a fault leads to. */
  readonly exposes: string;
  /** What brings it to a machine that lacks it. */
  readonly how: string;
}

export const LEVEL_WORDS: Readonly<Record<Level, LevelWords>> = {
  wasm: {
    protects: 'a WebAssembly engine runs the program in memory of its own; it makes no system calls by itself',
    exposes: 'a fault in the engine leads to the process it runs in; only what was built for it can run',
    how: 'nothing: it comes with Arc',
  },
  jail: {
    protects:
      "namespaces and user ids of its own, no capabilities and a list of allowed system calls on this machine's kernel",
    exposes: 'shares the kernel: a hole in it that the allowed calls reach leads to root of the machine',
    how: 'apt-get install bubblewrap',
  },
  container: {
    protects:
      "namespaces and user ids of its own, no capabilities and a list of allowed system calls on this machine's kernel, by the container runtime that most of the industry uses",
    exposes: 'shares the kernel: a hole in it that the allowed calls reach leads to root of the machine',
    how: 'apt-get install crun',
  },
  gvisor: {
    protects: "a second kernel in user space answers the program; it may ask little of this machine's kernel",
    exposes: "needs a hole in gVisor first, and then one in what that may still ask of the machine's kernel",
    how: 'apt-get install runsc',
  },
  kata: {
    protects: 'a virtual machine with a kernel of its own, driven like a container',
    exposes: 'needs a hole in the guest kernel, and then one in the virtual machine monitor or the processor',
    how: 'a kata-runtime with the OCI commands (Kata Containers 1.x) and a machine with /dev/kvm',
  },
  microvm: {
    protects: 'a virtual machine with a kernel of its own and few devices',
    exposes: 'needs a hole in the guest kernel, and then one in the virtual machine monitor or the processor',
    how: '`arc kit`, then start Arc again; /dev/kvm makes it fast, and lets Firecracker be used',
  },
};

/** The sentence that stands in a sandbox. */
export function levelSentence(level: Level): string {
  const { protects, exposes } = LEVEL_WORDS[level];
  return `${protects}; ${exposes}`;
}
