import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { SANDBOX_ID } from '../../../src/contract/ids.ts';
import { cgroupRoot } from '../../../src/host/cgroups/root.ts';
import { instanceTag } from '../../../src/host/network/plan.ts';

/**
 * What the kernel and the disk hold of the sandboxes of one data folder, counted from their own tables and never from
 * Arc's list: for tests that must find what was lost or left.
 */
export interface KernelTruth {
  /** Ids with a folder. */
  readonly folders: readonly string[];
  /** Ids with a cgroup, over all hierarchies. */
  readonly cgroups: readonly string[];
  /** Ids with at least one process in their cgroup. */
  readonly alive: readonly string[];
  /** Processes in those. */
  readonly pids: readonly string[];
  /** Host ends of veth pairs. */
  readonly interfaces: readonly string[];
  /** Routes through those. */
  readonly routes: number;
  /** Loop devices backed by a file of the data folder. */
  readonly loops: number;
  /** Lines of the host's mount table that name the data folder. */
  readonly mounts: number;
  /** Network namespaces, the host's own apart, that a process of these cgroups is in. */
  readonly namespaces: number;
  /** Processes of the helper and of runtimes that name the data folder in their arguments; workers are their children. */
  readonly helpers: readonly number[];
  readonly runtimes: readonly string[];
}

export function kernelTruth(dataDir: string): KernelTruth {
  const tag = instanceTag(dataDir);
  const interfaces = list('/sys/class/net').filter((name) => new RegExp(`^arc[np]${tag}`).test(name));
  const groups = cgroupFolders(cgroupRoot(dataDir));
  const processes = new Map<string, readonly string[]>();
  for (const [id, folders] of groups) processes.set(id, [...new Set(folders.flatMap((folder) => pidsOf(folder)))]);
  const all = list('/proc').filter((name) => /^[0-9]+$/.test(name));
  const withArgs = all.map((pid) => ({ pid, args: text(`/proc/${pid}/cmdline`).split('\0') }));
  const ours = withArgs.filter(({ args }) => args.some((arg) => arg.startsWith(dataDir)));
  return {
    folders: [...list(join(dataDir, 'sandboxes'))].sort(),
    cgroups: [...groups.keys()].sort(),
    alive: [...groups.keys()].filter((id) => (processes.get(id) ?? []).length > 0).sort(),
    pids: [...processes.values()].flat(),
    interfaces,
    routes: text('/proc/net/route')
      .split('\n')
      .filter((line) => interfaces.includes(line.split('\t')[0] ?? '')).length,
    loops: list('/sys/block').filter((name) => text(`/sys/block/${name}/loop/backing_file`).startsWith(dataDir)).length,
    mounts: text('/proc/self/mountinfo')
      .split('\n')
      .filter((line) => line.includes(`${dataDir}/`)).length,
    namespaces: new Set([...processes.values()].flat().map((pid) => link(`/proc/${pid}/ns/net`))).size,
    helpers: topmost(ours.filter(({ args }) => args[0]?.endsWith('/arc-node')).map(({ pid }) => Number(pid))),
    runtimes: ours.filter(({ args }) => /\/(crun|runc|runsc)$/.test(args[0] ?? '')).map(({ args }) => args.join(' ')),
  };
}

function cgroupFolders(group: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const roots = ['/sys/fs/cgroup', ...list('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)];
  for (const root of roots) {
    for (const id of list(join(root, group)).filter((name) => SANDBOX_ID.test(name))) {
      found.set(id, [...(found.get(id) ?? []), join(root, group, id)]);
    }
  }
  return found;
}

const pidsOf = (folder: string): readonly string[] => text(`${folder}/cgroup.procs`).split('\n').filter(Boolean);

/** Those that are not a child of another one of them: a forked worker carries its parent's arguments. */
function topmost(pids: readonly number[]): readonly number[] {
  const parent = (pid: number) => Number(/^PPid:\s+([0-9]+)/m.exec(text(`/proc/${pid}/status`))?.[1] ?? 0);
  return pids.filter((pid) => !pids.includes(parent(pid)) && !/^State:\s+Z/m.test(text(`/proc/${pid}/status`)));
}

function list(path: string): readonly string[] {
  try {
    return readdirSync(path);
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

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
