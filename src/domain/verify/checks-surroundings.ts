import { type Check, seen } from './check.ts';
import type { Facts } from './facts.ts';

/** File systems a sandbox is made of; `ext4` is its writable disk where that is mounted in a machine of its own. */
const FILE_SYSTEMS = new Set(['overlay', 'proc', 'tmpfs', 'devtmpfs', 'devpts', 'mqueue', 'sysfs', '9p', 'gofer']);
/** `major:minor` of null, zero, full, random, urandom, tty. */
const DEVICES = new Set(['1:3', '1:5', '1:7', '1:8', '1:9', '5:0', '5:1', '5:2']);
/** gVisor's own, which leads to nothing of this machine. */
const OF_GVISOR = 'char 10:229';
/** Keeps a folder from being covered; Arc's own. */
const OWN_MARK = '/tmp/.arc';
/** Terminals of its own. */
const PTS_MAJOR = /^char 136:/;
const PROCESSES_MAX = 8;
const KERNEL_THREADS = /^(kthreadd|ksoftirqd|kworker|rcu_|migration)/;

interface Mount {
  readonly point: string;
  readonly options: readonly string[];
  readonly shared: boolean;
  readonly type: string;
}

function mounts(facts: Facts): readonly Mount[] {
  return facts.all('mount').map((line) => {
    const fields = line.split(' ');
    const end = fields.indexOf('-');
    return {
      point: fields[4] ?? '',
      options: (fields[5] ?? '').split(','),
      shared: fields.slice(6, end).some((field) => field.startsWith('shared:')),
      type: fields[end + 1] ?? '',
    };
  });
}

/** What the program sees around it. */
export const SURROUNDINGS_CHECKS: readonly Check[] = [
  {
    id: 'around.mounts',
    title: 'nothing of the host is mounted, and no mount is shared with it',
    find: (facts) => [
      ...seen(facts, 'mount'),
      ...mounts(facts).flatMap(({ point, shared, type }) => [
        ...(shared ? [`${point} is shared with other mount namespaces`] : []),
        ...(FILE_SYSTEMS.has(type) ? [] : [`${point} is a mount of ${type}`]),
      ]),
    ],
  },
  {
    id: 'around.nosuid',
    title: 'what it can write to gives no rights and no devices',
    ownKernel: 'devices and users are of a kernel of its own',
    find: (facts) =>
      mounts(facts)
        // A device is bound from the host, file by file; a program does not start from it.
        .filter(
          ({ point, options }) => options.includes('rw') && !point.startsWith('/dev/') && !point.startsWith('/proc/'),
        )
        .filter(({ options }) => !options.includes('nosuid'))
        .map(({ point }) => `${point} is writable without nosuid`),
  },
  {
    id: 'around.host-files',
    title: 'a file of the host is found by no way',
    find: (facts) => [
      ...seen(facts, 'canary-sought'),
      ...facts.all('canary').map((way) => `a file of the host was opened as ${way}`),
    ],
  },
  {
    id: 'around.masked',
    title: 'what of /proc and /sys tells or does more than it needs is empty',
    ownKernel: 'they are of a kernel of its own',
    find: (facts) => [
      ...seen(facts, 'read'),
      ...facts
        .of('read')
        .filter(([, size]) => size !== 'no' && size !== '0')
        .map(([path, size]) => `${path} can be read (${size})`),
    ],
  },
  {
    id: 'around.kernel-files',
    title: 'no file of /proc/sys, /sys or the first process can be written',
    ownKernel: 'they are of a kernel of its own',
    find: (facts, { level }) => [
      ...facts.all('writable').map((path) => `${path} can be written`),
      ...facts
        .of('try')
        // Only a jail's first process is not the sandbox's own.
        .filter(([name]) => name !== 'write-memory-of-1' || level === 'jail')
        .filter(([name = '', outcome]) => name.startsWith('write-') && outcome === 'ok')
        .map(([name]) => `${name} was allowed`),
    ],
  },
  {
    id: 'around.addresses',
    title: 'the kernel tells no address of its own',
    ownKernel: 'they would be those of a kernel of its own',
    find: (facts) => facts.all('kernel-address').map((line) => `/proc/kallsyms says ${line.slice(0, 40)}`),
  },
  {
    id: 'around.devices',
    title: 'there are only harmless devices, and none that is made opens',
    find: (facts, { level }) => [
      ...facts
        .of('device')
        .filter(([, kind]) => !(level === 'gvisor' && kind === OF_GVISOR))
        .filter(([, kind = '']) => !(PTS_MAJOR.test(kind) || (kind.startsWith('char ') && DEVICES.has(kind.slice(5)))))
        .map(([path, kind]) => `${path} is the device ${kind}`),
      ...['made-disk', 'made-memory'].flatMap((name) => {
        const outcome = facts.value('try', name);
        return outcome === undefined || outcome === 'ok' ? [`${name}: ${outcome ?? 'not tried'}`] : [];
      }),
    ],
  },
  {
    id: 'around.processes',
    title: 'it sees its own processes only',
    find: (facts, { level }) => {
      const names = facts.of('process').map(([, name = '']) => name);
      return [
        ...seen(facts, 'process'),
        // A machine of its own has threads of its own kernel.
        ...(level === 'microvm'
          ? []
          : names.filter((name) => KERNEL_THREADS.test(name)).map((name) => `it sees ${name}`)),
        ...(level !== 'microvm' && names.length > PROCESSES_MAX ? [`it sees ${names.length} processes`] : []),
      ];
    },
  },
  {
    id: 'around.namespaces',
    title: "its namespaces are not the host's and not a neighbour's",
    ownKernel: 'they are of a kernel of its own; what stands between is looked at from outside',
    find: (facts, { othersNamespaces }) => [
      ...seen(facts, 'namespace'),
      ...facts
        .of('namespace')
        .filter(([, id = '']) => id === '' || othersNamespaces.has(id))
        .map(([kind, id]) => `its ${kind} namespace is another's (${id})`),
      ...facts
        .all('cgroup')
        .filter((line) => !/^\d+:[^:]*:\/$/.test(line))
        .map((line) => `it sees where its cgroup is: ${line}`),
    ],
  },
  {
    id: 'around.names',
    title: 'it has a name of its own, and a kernel of its own where its level says so',
    find: (facts, { hostname, version, kernel }) => [
      ...(facts.value('hostname') === hostname ? ['its name is that of this machine'] : []),
      ...(kernel === 'own' && facts.value('version') === version ? ['its kernel is that of this machine'] : []),
    ],
  },
  {
    id: 'around.leavings',
    title: 'nobody else has left anything: files, shared memory, queues, sockets',
    find: (facts, { kernel }) => [
      ...facts
        .all('left')
        .filter((path) => path !== OWN_MARK)
        .map((path) => `there is ${path}`),
      ...facts
        .all('ipc')
        .filter((line) => /^\s*\d/.test(line))
        .map((line) => `there is System V ipc: ${line.trim()}`),
      // A kernel of its own talks to nobody by them but to what runs in it.
      ...(kernel === 'own'
        ? []
        : facts
            .all('unix-socket')
            .filter((line) => /^[0-9a-f]+:/.test(line) && / @| \//.test(line))
            .map((line) => `there is a socket: ${line}`)),
    ],
  },
];
