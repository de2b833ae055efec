import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Supply } from '../../domain/walls.ts';
import type { Probe } from '../doctor/index.ts';
import { readNumber } from '../doctor/probe.ts';
import { IDS_PER_REGION, idsOfRegion, meets, parseSubordinate, REGIONS, SLOTS_PER_REGION } from '../uids/range.ts';

/** The kernel numbers memory cgroups with 16 bits. */
const MEMORY_CGROUPS_MAX = 65_535;
/** One is made for each sandbox, besides the host's own. */
const NAMESPACES = ['user', 'mnt', 'net', 'pid', 'ipc', 'uts', 'cgroup'] as const;
const BLOCK_BYTES = 512;

/** What of a machine is used at one moment, as far as it can be counted. */
export interface Counts {
  readonly helperFiles: number | undefined;
  readonly serverFiles: number | undefined;
}

export interface Here {
  readonly probe: Probe;
  readonly dataDir: string;
  readonly serverPid: number | undefined;
  readonly helperPid: number | undefined;
  /** Sandboxes that live here now. */
  readonly live: number;
  /** Sandboxes that this server may hold, by its configuration. */
  readonly most: number;
  /** Addresses of the range. */
  readonly addresses: number;
}

/** What one sandbox was measured to take. */
export interface Each {
  /** All-in, bytes; undefined where it could not be measured. */
  readonly memoryBytes: number | undefined;
  readonly processes: number;
  readonly diskBytes: number;
  readonly diskFiles: number;
  readonly helperFiles: number;
  readonly serverFiles: number;
}

export function countsOf({ helperPid, serverPid }: Pick<Here, 'helperPid' | 'serverPid'>): Counts {
  return { helperFiles: openFiles(helperPid), serverFiles: openFiles(serverPid) };
}

/** Every supply of this machine that sandboxes use up. */
export function supplies(here: Here, each: Each): readonly Supply[] {
  const { probe, live } = here;
  const at = (path: string) => readNumber(probe, path) ?? Number.POSITIVE_INFINITY;
  const threads = Number(/\/([0-9]+) /.exec(probe.readFile('/proc/loadavg') ?? '')?.[1] ?? 0);
  const space = probe.space(here.dataDir);
  const groups = Number(/^memory\s+\S+\s+([0-9]+)/m.exec(probe.readFile('/proc/cgroups') ?? '')?.[1] ?? live);
  const known = (name: string, title: string, limit: number, used: number, one: number): Supply[] =>
    [limit, used, one].some(Number.isNaN) ? [] : [{ name, title, limit, used, each: one }];
  return [
    ...known('memory', 'memory (MemAvailable), bytes', availableBytes(probe), 0, each.memoryBytes ?? 0),
    ...known('pids', 'processes (kernel.pid_max)', at('/proc/sys/kernel/pid_max'), threads, each.processes),
    ...known('threads', 'threads (kernel.threads-max)', at('/proc/sys/kernel/threads-max'), threads, each.processes),
    ...known('most', 'sandboxes of this server (--max-sandboxes)', here.most, live, 1),
    ...known('addresses', 'addresses (network.range)', here.addresses, live, 1),
    ...known('ids', 'host ids', idSlots(probe), live, 1),
    ...known('cgroups', 'memory cgroups of the kernel', MEMORY_CGROUPS_MAX, groups, 1),
    ...NAMESPACES.flatMap((kind) =>
      known(`ns-${kind}`, `${kind} namespaces (sysctl)`, at(`/proc/sys/user/max_${kind}_namespaces`), live, 1),
    ),
    ...files('helper', here.helperPid, each.helperFiles),
    ...files('server', here.serverPid, each.serverFiles),
    ...(space === undefined ? [] : known('disk', 'disk of the data folder, bytes', space.freeBytes, 0, each.diskBytes)),
    ...(space === undefined || space.totalInodes === 0
      ? []
      : known('inodes', 'inodes of the data folder', space.freeInodes, 0, each.diskFiles)),
  ];
}

export function availableBytes(probe: Pick<Probe, 'readFile'>): number {
  return Number(/^MemAvailable:\s+([0-9]+) kB/m.exec(probe.readFile('/proc/meminfo') ?? '')?.[1] ?? Number.NaN) * 1024;
}

function files(who: 'helper' | 'server', pid: number | undefined, one: number): readonly Supply[] {
  const used = openFiles(pid);
  if (pid === undefined || used === undefined) return [];
  const most = /^Max open files\s+(\S+)/m.exec(text(`/proc/${pid}/limits`))?.[1];
  const limit = most === 'unlimited' ? Number.POSITIVE_INFINITY : Number(most);
  return [{ name: `files-${who}`, title: `open files of the ${who}`, limit, used, each: one }];
}

/** Slots that the ids of this machine suffice for: regions that nobody was given by the administrator. */
function idSlots(probe: Probe): number {
  const reserved = ['/etc/subuid', '/etc/subgid'].flatMap((path) => parseSubordinate(probe.readFile(path) ?? ''));
  const free = Array.from({ length: REGIONS }, (_, region) => idsOfRegion(region)).filter(
    (region) => region.count === IDS_PER_REGION && !reserved.some((range) => meets(range, region)),
  );
  return free.length * SLOTS_PER_REGION;
}

function openFiles(pid: number | undefined): number | undefined {
  try {
    return pid === undefined ? undefined : readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return undefined;
  }
}

/** Bytes and files that a sandbox's folder takes. A disk image counts with what is written to it. */
export function folderUse(folder: string): { readonly bytes: number; readonly files: number } {
  let [bytes, count] = [0, 0];
  for (const name of listed(folder)) {
    const path = join(folder, name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) continue;
    const inside = stat.isDirectory() ? folderUse(path) : { bytes: 0, files: 0 };
    bytes += stat.blocks * BLOCK_BYTES + inside.bytes;
    count += 1 + inside.files;
  }
  return { bytes, files: count };
}

function listed(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
