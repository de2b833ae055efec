import type { Check } from './check.ts';
import type { Facts } from './facts.ts';

const MIB = 1024 * 1024;
/** Beyond what was given: the layer's own tables, and the page that is just being written. */
const SLACK = 1.1;
/** A jail's own first process and the clients of its commands are of its group. */
const OWN_PROCESSES = 18;
/** Beside the disk's bytes, for a writable layer of that size, many times over. */
const INODES_MAX = 100_000;

function most(facts: Facts, what: string): { readonly count: number; readonly stopped: string } | undefined {
  const found = facts.of('most').find(([name]) => name === what);
  return found && { count: Number(found[1]), stopped: found[2] ?? 'none' };
}

function bounded(facts: Facts, what: string, max: number, unit: string): readonly string[] {
  const got = most(facts, what);
  if (got === undefined) return [`it did not try how much of ${what} it gets`];
  if (got.stopped === 'none') return [`${what}: nothing stopped it at ${got.count} ${unit}`];
  return got.count > max ? [`${what}: it got ${got.count} ${unit}, more than ${Math.round(max)}`] : [];
}

/** How much it gets. */
export const LIMIT_CHECKS: readonly Check[] = [
  {
    id: 'limits.files',
    title: 'open files end at the limit',
    find: (facts, { limits }) => bounded(facts, 'files', limits.openFiles, 'files'),
  },
  {
    id: 'limits.disk',
    title: 'the writable layer ends at the limit',
    find: (facts, { limits }) => bounded(facts, 'disk', limits.diskBytes * SLACK + MIB, 'bytes'),
  },
  {
    id: 'limits.inodes',
    title: 'the number of files on it is limited',
    find: (facts) => bounded(facts, 'inodes', INODES_MAX, 'files'),
  },
  {
    id: 'limits.shared-memory',
    title: 'shared memory ends at the limit of memory',
    ownKernel: 'all of its memory is that of its machine or kernel, which is looked at from outside',
    find: (facts, { limits }) => bounded(facts, 'shm', limits.memoryBytes, 'bytes'),
  },
  {
    id: 'limits.processes',
    title: 'processes end at the limit',
    ownKernel: 'the group of what stands between is looked at from outside',
    find: (facts, { limits }) => bounded(facts, 'pids', limits.pids + OWN_PROCESSES, 'processes'),
  },
  {
    id: 'limits.memory',
    title: 'memory ends at the limit, and who takes more is ended',
    ownKernel: 'the group of what stands between is looked at from outside',
    find: (facts, { limits }) => bounded(facts, 'memory', limits.memoryBytes * SLACK, 'bytes'),
  },
];
