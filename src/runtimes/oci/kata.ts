import { join } from 'node:path';
import type { Limits } from '../../contract/spec.ts';
import type { OciConfig } from './config.ts';
import type { Flavour } from './flavour.ts';
import type { OciProcess } from './process.ts';
import type { SandboxFolder } from './sandbox-folder.ts';

const MIB = 1024 * 1024;
const CPU_PERIOD_US = 100_000;

/**
 * Kata Containers by the OCI commands of `kata-runtime`: a virtual machine for each sandbox, driven like a container. Its user
 * namespace is the machine's own, so it is told of the network namespace alone; what it starts on the host is in the cgroup,
 * the firewall and the mount namespace that the helper has made. The machine is sized by the document's `resources`.
 *
 * Releases from 2.0 on leave these commands to containerd; the trial of the level then says so.
 */
export const kata: Flavour = {
  name: 'kata',
  level: 'kata',
  joins: 'paths',
  seccomp: false,
  sealed: false,
  follow: 'pid-file',
  needs: {
    path: '/dev/kvm',
    why: 'it needs /dev/kvm, which this machine has not: switch virtualisation on, or nested virtualisation in its host',
  },
  overhead: { memoryBytes: 256 * MIB, pidsFactor: 1, pids: 128 },
  memoryBytesMin: 32 * MIB,
  filesRoot: 'runtime',
  protects: 'a virtual machine with a kernel of its own, driven like a container',
  run: (program, folder, id) => [
    ...[program, ...flags(folder), 'run', '--detach'],
    ...['--pid-file', join(folder.runtime, 'pid'), '--bundle', folder.dir, id],
  ],
  exec: (program, folder, id, files) => [
    ...[program, ...flags(folder), 'exec', '--detach', '--pid-file', files.pidFile],
    ...(files.console === undefined ? [] : ['--console-socket', files.console]),
    ...['--process', files.process, id],
  ],
  documents: {
    start: (config, { limits }) => JSON.stringify(sized(config, limits)),
    command: (process: OciProcess) => JSON.stringify(process),
  },
  asked: { kill: (program, folder, id, signal) => [program, ...flags(folder), 'kill', id, signal] },
  guest: {
    ps: (program, folder, id) => [program, ...flags(folder), 'ps', '--format', 'table', id],
    state: (program, folder, id) => [program, ...flags(folder), 'state', id],
  },
};

function flags(folder: SandboxFolder): readonly string[] {
  return ['--root', folder.runtime];
}

function sized(config: OciConfig, limits: Limits) {
  const { namespaces, uidMappings: _uids, gidMappings: _gids, ...linux } = config.linux;
  return {
    ...config,
    linux: {
      ...linux,
      namespaces: namespaces.filter(({ type }) => type !== 'user'),
      resources: {
        memory: { limit: limits.memoryBytes },
        cpu: { quota: Math.round(limits.cpus * CPU_PERIOD_US), period: CPU_PERIOD_US },
        pids: { limit: limits.pids },
      },
    },
  };
}
