import type { Facts } from './check.ts';
import type { Probe } from './probe.ts';

/** For tests: a machine on which every check is green. Each test breaks one thing of it. */
export interface FakeMachine {
  files: Record<string, string | undefined>;
  present: Set<string>;
  programs: Record<string, string | undefined>;
  /** What a program answers, by the words of its argv joined; the first that the call begins with or holds. */
  answers: readonly (readonly [RegExp, Partial<Awaited<ReturnType<Probe['run']>>>])[];
  probe: { -readonly [Key in keyof Probe]?: Probe[Key] };
  facts: { -readonly [Key in keyof Facts]?: Facts[Key] };
}

const MOUNTS = `1 0 8:1 / / rw,relatime - ext4 /dev/root rw
2 1 0:20 / /proc rw,nosuid - proc proc rw
3 1 0:21 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate
`;

export function goodMachine(): FakeMachine {
  return {
    files: {
      '/proc/self/mountinfo': MOUNTS,
      '/sys/fs/cgroup/cgroup.controllers': 'cpuset cpu io memory pids\n',
      '/proc/cgroups': '#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t1\t1\ncpu\t0\t1\t1\npids\t0\t1\t1\n',
      '/proc/filesystems': 'nodev\toverlay\n\text4\n',
      '/proc/sys/user/max_user_namespaces': '60000\n',
      '/proc/sys/kernel/seccomp/actions_avail': 'kill_process kill_thread errno user_notif trace log allow\n',
      '/proc/net/route':
        'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t0002A8C0\t00000000\t1\t0\t0\t0\t00FFFFFF\t0\t0\t0\n',
      '/proc/sys/net/ipv4/ip_forward': '1\n',
      '/proc/sys/net/ipv4/neigh/default/gc_thresh3': '131072\n',
      '/proc/sys/net/netfilter/nf_conntrack_max': '262144\n',
      '/proc/self/limits': 'Max open files            1024                 1048576              files\n',
      '/proc/sys/kernel/pid_max': '4194304\n',
      '/proc/sys/kernel/threads-max': '189000\n',
      '/proc/sys/fs/inotify/max_user_watches': '524288\n',
      '/proc/sys/fs/inotify/max_user_instances': '128\n',
      '/proc/meminfo': 'MemTotal: 8000000 kB\nMemAvailable: 6000000 kB\n',
    },
    present: new Set([
      '/proc/self/ns/user',
      '/dev/loop-control',
      '/dev/kvm',
      '/usr/include/stdio.h',
      '/var/lib/arc',
      '/var/lib',
      '/var',
      '/',
      '/run/systemd/timesync/synchronized',
    ]),
    programs: {},
    answers: [],
    probe: {},
    facts: {},
  };
}

export function probeOf(machine: FakeMachine): Probe {
  return {
    readFile: (path) => machine.files[path],
    exists: (path) => machine.present.has(path) || machine.files[path] !== undefined,
    stat: (path) => (machine.present.has(path) ? { mode: 0o40711, uid: 0, isFolder: true, mtimeMs: 0 } : undefined),
    space: () => ({ freeBytes: 50e9, totalBytes: 100e9, freeInodes: 5e6, totalInodes: 6e6 }),
    find: (name) => (name in machine.programs ? machine.programs[name] : `/usr/bin/${name}`),
    run: async (argv) => {
      const line = argv.join(' ');
      const answer = machine.answers.find(([pattern]) => pattern.test(line))?.[1];
      const stdout = line.includes('list chains') ? '{"nftables":[]}' : `${argv[0]} version 1\n`;
      return { code: 0, signal: null, stdout, stderr: '', ...answer };
    },
    listen: async () => 'free',
    addresses: () => [{ device: 'eth0', cidr: { base: 0xc0a8_0205, bits: 32 } }],
    processes: () => [{ pid: 1, argv: ['/sbin/init'] }],
    machine: { kernel: '6.1.0-18-amd64', node: 'v24.1.0', uid: 0, memoryBytes: 8e9 },
    now: () => Date.UTC(2026, 10, 24),
    ...machine.probe,
  };
}

/** How the edge's certificate stands, where it is had by ACME. */
export const noted = (state: object) => (machine: FakeMachine) => {
  machine.facts.acme = true;
  machine.files['/var/lib/arc/acme/state.json'] = JSON.stringify(state);
};

export function factsOf(machine: FakeMachine): Facts {
  return {
    dataDir: '/var/lib/arc',
    tag: 'abcd',
    api: { host: '127.0.0.1', port: 7700 },
    edge: { host: '127.0.0.1', port: 7780 },
    networkRange: '10.199.0.0/16',
    maxSandboxes: 4000,
    server: async () => 'none',
    helper: async () => ({ built: true, version: undefined, expected: '1' }),
    kit: async () => ({ kernel: '6.1.0' }),
    tryIdmap: async () => undefined,
    ...machine.facts,
  };
}
