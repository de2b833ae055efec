import type { Level } from '../../contract/states.ts';
import { IDS_PER_SLOT } from '../uids/range.ts';

/** No limit, in the words of cgroup v1: more than any machine has. */
const UNLIMITED_BYTES = 2 ** 50;
const CAPABILITY_SETS = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'] as const;

/** What the kernel says of a process that runs what nobody trusts, and of its group. */
export interface Seen {
  /** `/proc/PID/status` */
  readonly status: string;
  readonly uidMap: string;
  /** Namespaces that it shares with the host, of those that its level gives it. */
  readonly shared: readonly string[];
  readonly memoryLimit: string;
  readonly pidsLimit: string;
}

/** What is missing of the whole box, in words; nothing where it is whole. */
export function boxFaults(seen: Seen, level: Level): readonly string[] {
  const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(seen.status)?.[1] ?? '';
  const [inside, outside, count] = seen.uidMap.trim().split(/\s+/).map(Number);
  const ownIds = inside === 0 && (outside ?? 0) >= IDS_PER_SLOT && count === IDS_PER_SLOT;
  const memory = Number(seen.memoryLimit);
  const faults = [
    ...seen.shared.map((kind) => `it has the host's ${kind} namespace`),
    ...(ownIds ? [] : ['it has no host ids of its own']),
    ...(memory > 0 && memory < UNLIMITED_BYTES ? [] : ['its memory is not limited']),
    ...(Number(seen.pidsLimit) > 0 ? [] : ['its processes are not limited']),
    ...(field('Seccomp') === '2' ? [] : ['no filter of system calls is in force']),
    ...(field('NoNewPrivs') === '1' ? [] : ['it may gain privileges']),
  ];
  // gVisor's kernel keeps one over its own user namespace, to trace what it runs.
  const capable = level === 'gvisor' ? [] : CAPABILITY_SETS.filter((set) => !/^0+$/.test(field(set)));
  return [...faults, ...capable.map((set) => `it has capabilities (${set})`)];
}
