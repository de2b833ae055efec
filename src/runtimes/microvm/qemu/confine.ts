import { INSIDE, type Machine, type MachineFiles } from '../monitor.ts';

/** Where nobody has made namespaces for it: its own, with no network, and dead when we are. */
const ALONE = ['--unshare-user', '--unshare-net', '--uid', '65534', '--gid', '65534', '--die-with-parent'];

/**
 * A monitor inside of bubblewrap: root of the sandbox's user namespace without a single capability, in namespaces of its own,
 * with a root that holds the machine's programs and its files. Whoever breaks out of the machine is there.
 * @param kvm the node by which whoever has it open makes machines, or undefined
 */
export function confined(
  bwrap: string,
  kvm: string | undefined,
  machine: Machine,
  files: MachineFiles,
  argv: readonly string[],
): readonly string[] {
  const { printed } = files;
  const readOnly = (from: string, to: string) => ['--ro-bind', from, to];
  return [
    bwrap,
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup'],
    ...['--cap-drop', 'ALL', '--clearenv', '--hostname', 'monitor'],
    ...readOnly('/usr', '/usr'),
    ...['/lib', '/lib64', '/etc/ld.so.cache'].flatMap((path) => ['--ro-bind-try', path, path]),
    ...['null', 'urandom'].flatMap((name) => ['--dev-bind', `/dev/${name}`, `/dev/${name}`]),
    ...(kvm === undefined ? [] : ['--dev-bind', kvm, '/dev/kvm']),
    ...(machine.purpose === 'save' ? ALONE : ['--dev-bind', files.kit.tun, '/dev/net/tun']),
    ...readOnly(files.kit.kernel, INSIDE.kernel),
    ...readOnly(files.kit.initrd, INSIDE.initrd),
    ...readOnly(files.root, INSIDE.root),
    ...(files.disk === undefined ? [] : ['--bind', files.disk, INSIDE.disk]),
    ...['--bind', files.state, INSIDE.run],
    ...(printed === undefined
      ? []
      : ['--bind', printed.stdout, INSIDE.stdout, '--bind', printed.stderr, INSIDE.stderr]),
    ...['--remount-ro', '/', '--chdir', '/', '--', ...argv],
  ];
}
