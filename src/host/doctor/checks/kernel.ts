import { type Check, fail, ok, warn } from '../check.ts';
import { type Probe, readNumber } from '../probe.ts';

/** openat2 came with 5.6: without it a path inside a sandbox can't be opened safely. */
const LEAST_KERNEL = [5, 6] as const;
/** Overlay over idmapped lower layers came with 5.19. */
const IDMAP_KERNEL = [5, 19] as const;
const PIDFD_KERNEL = [5, 3] as const;

export const kernelChecks: readonly Check[] = [
  {
    id: 'kernel.version',
    title: 'Kernel version',
    cost: 'paths inside a sandbox can not be opened safely, so no sandbox is started',
    fix: 'Boot a kernel of 5.6 or later; 5.19 or later is better.',
    look: ({ machine }) => {
      if (!atLeast(machine.kernel, LEAST_KERNEL)) return fail(machine.kernel);
      if (atLeast(machine.kernel, IDMAP_KERNEL)) return ok(machine.kernel);
      return warn(machine.kernel, {
        cost: 'layers are copied once for each range of user ids instead of being shared',
        fix: 'Boot a kernel of 5.19 or later.',
      });
    },
  },
  {
    id: 'kernel.pidfd',
    title: 'Process handles (pidfd)',
    cost: 'a process could be mistaken for a later one of the same number',
    fix: 'Boot a kernel of 5.3 or later.',
    look: ({ machine }) => (atLeast(machine.kernel, PIDFD_KERNEL) ? ok('there') : fail(`not in ${machine.kernel}`)),
  },
  {
    id: 'kernel.user-namespaces',
    title: 'User namespaces',
    cost: 'no sandbox can start: each has its own user namespace',
    fix: 'Set user.max_user_namespaces with sysctl to 65536, or boot a kernel with CONFIG_USER_NS.',
    look: (probe) => {
      if (!probe.exists('/proc/self/ns/user')) return fail('this kernel has none');
      const most = readNumber(probe, '/proc/sys/user/max_user_namespaces');
      if (most === 0) return fail('turned off: user.max_user_namespaces is 0');
      return ok(most === undefined ? 'there' : `up to ${most}`);
    },
  },
  {
    id: 'kernel.apparmor-userns',
    title: 'AppArmor and user namespaces',
    cost: 'who is not root can not make a sandbox here; root can',
    fix: 'Run Arc as root, or: sysctl kernel.apparmor_restrict_unprivileged_userns=0',
    look: (probe) => {
      const restricted = readNumber(probe, '/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === 1;
      if (!restricted) return ok('not restricted');
      return probe.machine.uid === 0 ? ok('restricted for others; not for root') : warn('restricted for this user');
    },
  },
  fileSystem('overlay', 'no sandbox can have a writable root over shared layers, so none is started'),
  fileSystem('ext4', 'the writable layer of a sandbox can not have a byte limit on disk'),
  {
    id: 'kernel.idmap',
    title: 'Idmapped mounts',
    cost: 'each sandbox gets a copy of its layers instead of sharing them: slower starts, more disk',
    fix: 'Keep the data folder on ext4, xfs or btrfs and boot a kernel of 5.19 or later.',
    look: async ({ machine }, facts) => {
      if (facts.tryIdmap === undefined) {
        return atLeast(machine.kernel, IDMAP_KERNEL)
          ? ok('the kernel has them; not tried')
          : warn('not in this kernel');
      }
      const why = await facts.tryIdmap();
      return why === undefined ? ok('tried on the data folder') : warn(why);
    },
  },
  {
    id: 'kernel.seccomp',
    title: 'System call filters (seccomp)',
    cost: 'no sandbox can start: the filter of system calls would be missing',
    fix: 'Boot a kernel with CONFIG_SECCOMP_FILTER.',
    look: (probe) => {
      const actions = probe.readFile('/proc/sys/kernel/seccomp/actions_avail')?.split(/\s+/) ?? [];
      const lacking = ['errno', 'kill_process', 'allow'].filter((action) => !actions.includes(action));
      return lacking.length === 0 ? ok('there') : fail(`lacks ${lacking.join(', ')}`);
    },
  },
  {
    id: 'kernel.veth',
    title: 'Network pairs (veth)',
    cost: 'no sandbox can start: none could be reached',
    fix: 'Load the module with `modprobe veth`, or boot a kernel with CONFIG_VETH.',
    look: lookForVeth,
  },
  {
    id: 'kernel.loop',
    title: 'Loop devices',
    cost: 'the writable layer of a sandbox can not have a byte limit on disk; only templates with `diskKind: memory` start',
    fix: 'Load the module with `modprobe loop`, or boot a kernel with CONFIG_BLK_DEV_LOOP.',
    look: (probe) => {
      if (probe.exists('/dev/loop-control')) return ok('made as they are needed');
      return fail('there is no /dev/loop-control');
    },
  },
];

/** Made for real, in a network namespace that ends with the program; where that can't be tried, by the list of modules. */
async function lookForVeth(probe: Probe) {
  const unshare = probe.find('unshare');
  const ip = probe.find('ip');
  if (probe.machine.uid === 0 && unshare !== undefined && ip !== undefined) {
    const add = ['link', 'add', 'arcdoctor0', 'type', 'veth', 'peer', 'name', 'arcdoctor1'];
    const { code, stderr, notStarted } = await probe.run([unshare, '--net', ip, ...add]);
    return code === 0 ? ok('made one and removed it') : fail(notStarted ?? (stderr.trim() || 'could not be made'));
  }
  return hasModule(probe, 'veth')
    ? ok('the kernel has it; not tried')
    : warn('not tried: this needs root, unshare and ip');
}

function fileSystem(name: string, cost: string): Check {
  return {
    id: `kernel.${name}`,
    title: `File system ${name}`,
    cost,
    fix: `Load the module with \`modprobe ${name}\`, or boot a kernel that has it.`,
    look: (probe) => {
      const loaded = probe.readFile('/proc/filesystems')?.split(/\s+/).includes(name);
      if (loaded) return ok('there');
      return hasModule(probe, name) ? ok('loaded when it is needed') : fail('this kernel has none');
    },
  };
}

function hasModule(probe: Probe, name: string): boolean {
  const { kernel } = probe.machine;
  const file = new RegExp(`/${name}\\.ko`);
  return ['modules.builtin', 'modules.dep'].some((list) =>
    file.test(probe.readFile(`/lib/modules/${kernel}/${list}`) ?? ''),
  );
}

export function atLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const found = /^v?([0-9]+)\.([0-9]+)/.exec(version);
  const [foundMajor, foundMinor] = [Number(found?.[1] ?? 0), Number(found?.[2] ?? 0)];
  return foundMajor > major || (foundMajor === major && foundMinor >= minor);
}
