import { join } from 'node:path';
import type { ExecFiles, Flavour } from './flavour.ts';
import { kata } from './kata.ts';
import type { OciProcess } from './process.ts';
import type { SandboxFolder } from './sandbox-folder.ts';

const MIB = 1024 * 1024;
const NO_OVERHEAD = { memoryBytes: 0, pidsFactor: 1, pids: 0 };
const CONTAINER =
  'shares the kernel of this machine: own namespaces and user ids, no capabilities, a list of allowed system calls';

/** The helper has put the process into its cgroup already, so the runtime is told to leave cgroups alone. */
export const crun: Flavour = {
  name: 'crun',
  level: 'container',
  joins: 'paths',
  seccomp: true,
  compiledFilter: (folder, id) => join(folder.runtime, id, 'seccomp.bpf'),
  sealed: true,
  follow: 'pid-file',
  overhead: NO_OVERHEAD,
  memoryBytesMin: 2 * MIB,
  filesRoot: 'sandbox',
  protects: CONTAINER,
  run: (program, folder, id) => run([program, ...crunFlags(folder)], folder, folder.runtime, id, ['--detach']),
  exec: (program, folder, id, files) => exec([program, ...crunFlags(folder)], files, id),
};

function crunFlags(folder: SandboxFolder): readonly string[] {
  return ['--root', folder.runtime, '--cgroup-manager=disabled'];
}

/**
 * runc closes what it inherits before it opens the namespaces of its config, so it is started inside of them. There it knows
 * itself to be without privileges over cgroups and goes on without making any.
 */
export const runc: Flavour = {
  name: 'runc',
  level: 'container',
  joins: 'entered',
  seccomp: true,
  sealed: false,
  follow: 'pid-file',
  overhead: NO_OVERHEAD,
  memoryBytesMin: 12 * MIB,
  filesRoot: 'sandbox',
  protects: CONTAINER,
  run: (program, folder, id) => run([program, ...runcFlags(folder)], folder, folder.state, id, ['--detach']),
  exec: (program, folder, id, files) => exec([program, ...runcFlags(folder)], files, id),
};

/**
 * gVisor. Its own network stack refuses kernels from 6.11 on (it takes any network namespace there for the host's), so
 * sockets are those of the host's kernel inside the sandbox's own network namespace. It runs as root of the sandbox's user
 * namespace and as nobody on the host. It stays as the parent of the sandbox, and its exit code is the program's.
 *
 * `file-access=shared`: what the files API changes from outside is seen inside.
 */
export const runsc: Flavour = {
  name: 'runsc',
  level: 'gvisor',
  joins: 'entered',
  seccomp: false,
  sealed: false,
  follow: 'runtime',
  overhead: { memoryBytes: 64 * MIB, pidsFactor: 3, pids: 128 },
  memoryBytesMin: 2 * MIB,
  filesRoot: 'runtime',
  coversTmp: true,
  protects: 'a kernel of its own, in user space, answers the program; the kernel of this machine sees few calls',
  note: "sockets of the host's kernel in the sandbox's own network namespace (--network=host)",
  run: (program, folder, id) => run([program, ...runscFlags(folder)], folder, folder.state, id),
  exec: (program, folder, id, files) => exec([program, ...runscFlags(folder)], files, id),
  documents: {
    start: (config) => JSON.stringify({ ...config, process: inheriting(config.process) }),
    command: (process) => JSON.stringify(inheriting(process)),
  },
  asked: {
    kill: (program, folder, id, signal) => [program, ...runscFlags(folder), 'kill', id, signal],
  },
  guest: {
    ps: (program, folder, id) => [program, ...runscFlags(folder), 'ps', '--format', 'table', id],
    state: (program, folder, id) => [program, ...runscFlags(folder), 'state', id],
  },
};

/**
 * Told to set it, it opens the oom_score_adj of its own kernel's process once that runs, is refused now and then, and ends. It
 * keeps the one that the helper starts everything with, which is the same.
 */
function inheriting({ oomScoreAdj: _inherited, ...process }: OciProcess): Omit<OciProcess, 'oomScoreAdj'> {
  return process;
}

function runscFlags(folder: SandboxFolder): readonly string[] {
  return ['--root', folder.state, '--network=host', '--ignore-cgroups', '--file-access=shared'];
}

function runcFlags(folder: SandboxFolder): readonly string[] {
  return ['--root', folder.state];
}

/** What all three are told alike. @param begin the program, with the options that are its own */
function run(
  begin: readonly string[],
  folder: SandboxFolder,
  state: string,
  id: string,
  more: readonly string[] = [],
): readonly string[] {
  return [...begin, 'run', ...more, '--pid-file', join(state, 'pid'), '--bundle', folder.dir, id];
}

function exec(begin: readonly string[], files: ExecFiles, id: string): readonly string[] {
  const console = files.console === undefined ? [] : ['--console-socket', files.console];
  return [...begin, 'exec', '--detach', '--pid-file', files.pidFile, ...console, '--process', files.process, id];
}

export const FLAVOURS = { crun, runc, runsc, kata } as const;
