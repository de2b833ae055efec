import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Level } from '../../contract/states.ts';
import { groupPaths, hierarchiesHere } from '../cgroups/hierarchies.ts';
import { cgroupRoot } from '../cgroups/root.ts';
import type { Seen } from './box-faults.ts';

/** How a level's processes look from outside: which of its group run what nobody trusts, and what is their own. */
interface Face {
  readonly isProgram: (process: { readonly status: string; readonly name: string }) => boolean;
  readonly namespaces: readonly string[];
}

const ALL = ['user', 'net', 'mnt', 'pid', 'ipc', 'uts'];
/** Its pid in the innermost namespace; undefined where it is in the host's. */
const innerPid = (status: string): number | undefined => {
  const pids = /^NSpid:\s*(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? [];
  return pids.length > 1 ? Number(pids.at(-1)) : undefined;
};

const FACES: Partial<Record<Level, Face>> = {
  container: { isProgram: ({ status }) => innerPid(status) !== undefined, namespaces: ALL },
  // Beside it stand bubblewrap and the first process of the jail, which are Arc's.
  jail: { isProgram: ({ status }) => (innerPid(status) ?? 1) > 1, namespaces: ALL },
  // The program's kernel, which is what could be broken into. runsc gives it no pid namespace.
  gvisor: {
    isProgram: ({ name }) => name === 'runsc-sandbox',
    namespaces: ALL.filter((kind) => kind !== 'pid'),
  },
};

/** Levels of which `seeBox` can say something. */
export const SEEN_LEVELS: readonly Level[] = Object.keys(FACES) as Level[];

/** The programs of a sandbox of this data folder, as root sees them. None where none runs. */
export function seeBox(dataDir: string, id: string, level: Level): readonly Seen[] {
  const face = FACES[level];
  if (face === undefined) return [];
  const paths = groupPaths(hierarchiesHere(), cgroupRoot(dataDir), id);
  const pids = text(join(paths.pids, 'cgroup.procs')).split('\n').filter(Boolean);
  const memory = paths.version === 2 ? 'memory.max' : 'memory.limit_in_bytes';
  const limits = {
    memoryLimit: text(join(paths.memory, memory)).trim(),
    pidsLimit: text(join(paths.pids, 'pids.max')).trim(),
  };
  return pids.flatMap((pid) => {
    const status = text(`/proc/${pid}/status`);
    const name = text(`/proc/${pid}/cmdline`).split('\0')[0] ?? '';
    if (status === '' || !face.isProgram({ status, name })) return [];
    const shared = face.namespaces.filter((kind) => link(`/proc/${pid}/ns/${kind}`) === link(`/proc/self/ns/${kind}`));
    return [{ status, uidMap: text(`/proc/${pid}/uid_map`), shared, ...limits }];
  });
}

/** Of a process that is gone meanwhile: nothing, which no check takes for whole. */
function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
