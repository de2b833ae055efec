import { type Check, seen } from './check.ts';
import type { Facts } from './facts.ts';

const CAPABILITY_SETS = ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'] as const;
/** Ids below are people's and services' of the machine. */
const HOST_IDS_MIN = 65_536;
/** What a program may set for itself and what a terminal brings. */
const USUAL_VARIABLES = ['PATH', 'HOME', 'TERM', 'PWD', 'SHLVL', 'HOSTNAME'];
/** Numbers of `asm-generic/resource.h`. */
const RLIMITS = { core: '4', files: '7', memlock: '8', nice: '13', rtprio: '14' } as const;
const MEMLOCK_BYTES_MAX = 64 * 1024 * 1024;

function status(facts: Facts, field: string): string {
  const line = facts.all('status').find((one) => one.startsWith(`${field}:`)) ?? '';
  return line
    .slice(field.length + 1)
    .replaceAll(/[\s?]+/g, ' ')
    .trim();
}

function mapping(facts: Facts, key: 'uid-map' | 'gid-map'): readonly string[] {
  return facts.all(key).flatMap((line) => {
    const [inside = 0, outside = 0, count = 0] = line
      .trim()
      .split(/[\s?]+/)
      .map(Number);
    return outside < HOST_IDS_MIN ? [`ids from ${inside} on (${count}) are ${outside} and on of this machine`] : [];
  });
}

/** Who the program is, and what came along from whoever started it. */
export const SELF_CHECKS: readonly Check[] = [
  {
    id: 'self.ids',
    title: 'its users are nobody on this machine',
    ownKernel: 'its ids are those of a kernel of its own',
    find: (facts) => [...seen(facts, 'uid-map'), ...mapping(facts, 'uid-map'), ...mapping(facts, 'gid-map')],
  },
  {
    id: 'self.groups',
    title: 'it is in no further group',
    find: (facts) => facts.all('group').map((group) => `it is in the group ${group}`),
  },
  {
    id: 'self.capabilities',
    title: 'it has no capability in any of the five sets',
    find: (facts) =>
      // gVisor knows no ambient set.
      CAPABILITY_SETS.filter((set) => set !== 'Amb' || status(facts, 'CapAmb') !== '').flatMap((set) => {
        const held = status(facts, `Cap${set}`);
        return /^0+$/.test(held) ? [] : [`Cap${set} is ${held || 'not told'}`];
      }),
  },
  {
    id: 'self.no-new-privileges',
    title: 'no program that it starts gets more rights than it has',
    find: (facts, { level }) => {
      const value = status(facts, 'NoNewPrivs');
      // gVisor does not show it; that setuid programs give nothing there is tried by the attack suites.
      return value === '1' || (level === 'gvisor' && value === '') ? [] : [`NoNewPrivs is ${value || 'not told'}`];
    },
  },
  {
    id: 'self.filter',
    title: 'a filter of system calls is in force',
    ownKernel: 'the kernel that it calls is its own; the filter is on what stands between',
    find: (facts) => (status(facts, 'Seccomp') === '2' ? [] : [`Seccomp is ${status(facts, 'Seccomp') || 'not told'}`]),
  },
  {
    id: 'self.privileges',
    title: 'it can not become somebody else or raise a limit',
    find: (facts, { kernel }) => [
      ...seen(facts, 'try'),
      ...facts
        .of('try')
        .filter(
          ([name = '', outcome]) => /^(set[ug]id|setgroups|sethostname|nice|raise-\d+)$/.test(name) && outcome === 'ok',
        )
        // Its turns are given by a kernel of its own, inside what it is given as a whole.
        .filter(([name]) => name !== 'nice' || kernel === 'shared')
        .map(([name]) => `${name} was allowed`),
    ],
  },
  {
    id: 'self.descriptors',
    title: 'only its three streams are open',
    find: (facts) => [
      ...seen(facts, 'fd'),
      ...facts
        .of('fd')
        .filter(([fd, kind]) => Number(fd) > 2 || kind === 'folder' || kind === 'block')
        .map(([fd, kind]) => `descriptor ${fd} (${kind}) is open`),
    ],
  },
  {
    id: 'self.environment',
    title: 'its environment was built, and has nothing of whoever started it',
    find: (facts, { env }) => {
      const known = new Set([...USUAL_VARIABLES, ...env]);
      const other = (key: string) => facts.all(key).filter((name) => !known.has(name));
      return [
        ...other('env').map((name) => `it has the variable ${name}`),
        ...other('env-of-1').map((name) => `the first process has the variable ${name}`),
      ];
    },
  },
  {
    id: 'self.resources',
    title: 'files, locked memory and priorities are limited for each process',
    find: (facts, { limits, kernel }) => {
      const of = (name: keyof typeof RLIMITS) => Number(facts.value('limit', RLIMITS[name]) ?? -1);
      const most = (name: keyof typeof RLIMITS, max: number) => {
        const limit = of(name);
        return limit >= 0 && limit <= max ? [] : [`its limit of ${name} is ${limit < 0 ? 'none' : limit}, not ${max}`];
      };
      const shared =
        kernel === 'shared' ? [...most('memlock', MEMLOCK_BYTES_MAX), ...most('rtprio', 0), ...most('nice', 0)] : [];
      return [...most('files', limits.openFiles), ...shared];
    },
  },
  {
    id: 'self.dumps',
    title: 'a crash leaves no dump',
    find: (facts) => [
      ...seen(facts, 'dumped'),
      ...(facts.value('dumped') === 'yes' ? ['a program that crashed was dumped'] : []),
      ...(facts.value('limit', RLIMITS.core) === '0' ? [] : ['its limit of core is not 0']),
    ],
  },
];
