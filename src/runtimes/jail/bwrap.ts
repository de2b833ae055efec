import { FD_FILTER, heldCapabilities, INIT_ARGV, type Jailer, type Mask, sharedMemoryBytes } from './jailer.ts';

/** bubblewrap. One line here for each thing that it makes, to be read beside `bwrap(1)`. */
export const bwrap: Jailer = {
  name: 'bwrap',
  argv: ({ oci, program, namespaces, masked, host }) => [
    program,
    ...(namespaces === 'own' ? ['--unshare-user', '--unshare-net'] : []),
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup', '--as-pid-1'],
    ...['--hostname', oci.hostname],
    ...['--bind', oci.root.path, '/'],
    ...host.flatMap((path) => ['--ro-bind', path, path]),
    // Nothing of /sys: bubblewrap can not mount a new one, and the host's own shows the host.
    ...['--tmpfs', '/sys', '--remount-ro', '/sys'],
    ...['--proc', '/proc'],
    ...masked.flatMap(cover),
    ...['--dev', '/dev'],
    ...['--perms', '1777', '--size', sharedMemoryBytes(oci), '--tmpfs', '/dev/shm'],
    ...['--mqueue', '/dev/mqueue', '--remount-ro', '/dev'],
    ...['--cap-drop', 'ALL', ...heldCapabilities(oci).flatMap((name) => ['--cap-add', name])],
    ...['--seccomp', String(FD_FILTER)],
    ...['--chdir', '/', '--', ...INIT_ARGV],
  ],
};

function cover({ path, kind }: Mask): readonly string[] {
  if (kind === 'readonly') return ['--ro-bind', path, path];
  return kind === 'dir' ? ['--tmpfs', path, '--remount-ro', path] : ['--ro-bind', '/dev/null', path];
}
