import { type Check, fail, ok, warn } from '../check.ts';
import { readNumber } from '../probe.ts';

/** The server holds a listening socket, a database, and for each sandbox a few connections and log files. */
const BASE_OPEN_FILES = 512;
const LEAST_OPEN_FILES = 1024;
const OPEN_FILES_PER_SANDBOX = 4;
/** The default of a template is far more; this is what lets each have a server with a few workers. */
const PROCESSES_PER_SANDBOX = 8;
/** The numbers that processes can have, and how many threads there may be: the smaller is the wall. */
const PROCESS_LIMITS = ['pid_max', 'threads-max'] as const;
/** A watching development server, such as Vite's, takes some thousands. */
const LEAST_WATCHES = 8192;
const LEAST_INSTANCES = 128;
const LEAST_MEMORY_BYTES = 512 * 1024 ** 2;
const LEAST_AVAILABLE_BYTES = 256 * 1024 ** 2;
const MIB = 1024 ** 2;

const NAMESPACES = ['user', 'mnt', 'net', 'pid', 'ipc', 'uts', 'cgroup'] as const;

export const limitChecks: readonly Check[] = [
  {
    id: 'limit.open-files',
    title: 'Open files',
    cost: 'with many sandboxes new connections and starts fail',
    fix: 'Raise it: LimitNOFILE=1048576 in the systemd unit, or `ulimit -n` in the shell that starts Arc.',
    look: (probe, facts) => {
      const line = /^Max open files\s+(\S+)\s+(\S+)/m.exec(probe.readFile('/proc/self/limits') ?? '');
      const most = line?.[2] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(line?.[2]);
      if (Number.isNaN(most)) return warn('can not be read');
      const wanted = BASE_OPEN_FILES + facts.maxSandboxes * OPEN_FILES_PER_SANDBOX;
      if (most < LEAST_OPEN_FILES) return fail(`${most}`);
      return most >= wanted ? ok(`${most}`) : warn(`${most}; ${facts.maxSandboxes} sandboxes want ${wanted}`);
    },
  },
  {
    id: 'limit.processes',
    title: 'Processes',
    cost: 'with many sandboxes no new process can start, on the host either',
    fix: 'sysctl kernel.pid_max=4194304 kernel.threads-max=1000000',
    look: (probe, facts) => {
      const wanted = facts.maxSandboxes * PROCESSES_PER_SANDBOX;
      const limits = PROCESS_LIMITS.map((name) => [name, readNumber(probe, `/proc/sys/kernel/${name}`)] as const);
      const unread = limits.filter(([, most]) => most === undefined).map(([name]) => `kernel.${name}`);
      if (unread.length > 0) return warn(`${unread.join(' and ')} can not be read`);
      const found = limits.map(([name, most]) => `${name} ${most}`).join(', ');
      const enough = limits.every(([, most = 0]) => most >= wanted);
      return enough ? ok(found) : warn(`${found}; ${facts.maxSandboxes} sandboxes want ${wanted}`);
    },
  },
  {
    id: 'limit.namespaces',
    title: 'Namespaces',
    cost: 'with many sandboxes new ones can not start',
    fix: 'Raise user.max_KIND_namespaces with sysctl for each kind named.',
    look: (probe, facts) => {
      const short = NAMESPACES.flatMap((kind) => {
        const most = readNumber(probe, `/proc/sys/user/max_${kind}_namespaces`);
        return most !== undefined && most < facts.maxSandboxes * 2 ? [`${kind} ${most}`] : [];
      });
      return short.length === 0
        ? ok('enough of each kind')
        : warn(`${short.join(', ')}; ${facts.maxSandboxes * 2} wanted`);
    },
  },
  {
    id: 'limit.inotify',
    title: 'Watched files (inotify)',
    cost: 'development servers in sandboxes do not see changed files, or do not start',
    fix: 'sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=1024',
    look: (probe) => {
      const watches = readNumber(probe, '/proc/sys/fs/inotify/max_user_watches') ?? 0;
      const instances = readNumber(probe, '/proc/sys/fs/inotify/max_user_instances') ?? 0;
      const found = `${watches} files, ${instances} watchers for each user`;
      return watches >= LEAST_WATCHES && instances >= LEAST_INSTANCES ? ok(found) : warn(found);
    },
  },
  {
    id: 'limit.memory',
    title: 'Memory',
    cost: 'few sandboxes fit, and the kernel may end some of them to make room',
    fix: 'Use a machine with more memory, or give sandboxes lower limits.',
    look: (probe) => {
      const { memoryBytes } = probe.machine;
      const kib = /^MemAvailable:\s+([0-9]+) kB/m.exec(probe.readFile('/proc/meminfo') ?? '')?.[1];
      const free = kib === undefined ? memoryBytes : Number(kib) * 1024;
      const found = `${Math.floor(free / MIB)} MiB of ${Math.floor(memoryBytes / MIB)} MiB available`;
      return memoryBytes < LEAST_MEMORY_BYTES || free < LEAST_AVAILABLE_BYTES ? warn(found) : ok(found);
    },
  },
];
