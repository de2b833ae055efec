import { lstatSync, readdirSync, readFileSync, realpathSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SANDBOX_ID } from '../../contract/ids.ts';
import type { Clock } from '../../kit/clock.ts';
import { removeTree } from '../../kit/remove-tree.ts';
import type { Run } from '../../kit/run.ts';
import { type Claim, claimedRange } from '../network/claim-range.ts';
import { slotOfInterface } from './names.ts';
import { orphanBarriers } from './orphan-barriers.ts';
import type { OrphanSource, Thing } from './orphans.ts';
import { type Mount, mounts, type Probe } from './probe.ts';

export interface RealOrphanDeps {
  readonly probe: Pick<Probe, 'readFile' | 'find' | 'processes'>;
  readonly run: Run;
  readonly clock: Clock;
  readonly dataDir: string;
  readonly tag: string;
  /** Of all data folders that this machine's registry knows. */
  readonly claims: () => readonly Claim[];
}

const PROGRAM_TIMEOUT_MS = 10_000;
/** How often, and how long apart, the end of killed processes is waited for. */
const KILL_TRIES = 100;
const KILL_RETRY_MS = 50;
/** Most sandboxes looked at in one folder: more than there are slots. */
const MAX_ENTRIES = 100_000;

/** The kernel's and the disk's own lists, read from /proc, /sys, nft and ip. */
export function realOrphans(deps: RealOrphanDeps): OrphanSource {
  const lists = [helpers, cgroups, mounted, loops, interfaces, barriers, tables, folders];
  return { list: async () => (await Promise.all(lists.map((list) => list(deps)))).flat() };
}

/** Forked workers of a helper carry its command line too; they are those with a helper as their parent. */
function helpers({ probe, dataDir }: RealOrphanDeps): readonly Thing[] {
  const ours = probe.processes().filter(({ argv }) => argv[0]?.endsWith('/arc-node') && argv.includes(dataDir));
  const pids = new Set(ours.map(({ pid }) => pid));
  const roots = ours.filter(({ pid }) => !pids.has(parentOf(probe, pid)));
  return roots.map(({ pid }) => ({
    kind: 'helper',
    name: `process ${pid}`,
    pid,
    proof: `a helper on ${dataDir}`,
    remove: async () => killIfThere(pid),
  }));
}

const parentOf = (probe: RealOrphanDeps['probe'], pid: number): number =>
  Number(/^PPid:\s+([0-9]+)$/m.exec(probe.readFile(`/proc/${pid}/status`) ?? '')?.[1] ?? 0);

/** Those of this data folder are in a folder that carries its tag. */
function cgroups(deps: RealOrphanDeps): readonly Thing[] {
  const root = `arc-${deps.tag}`;
  const roots = mounts(deps.probe).filter(({ type }) => type === 'cgroup' || type === 'cgroup2');
  return roots.flatMap(({ point }) =>
    idsIn(join(point, root)).map((id) => ({
      kind: 'cgroup' as const,
      name: join(point, root, id),
      sandbox: id,
      proof: `tag ${deps.tag}`,
      remove: () => removeCgroup(join(point, root, id), deps.clock),
    })),
  );
}

function mounted({ probe, dataDir, run }: RealOrphanDeps): readonly Thing[] {
  const root = join(dataDir, 'sandboxes');
  const below = mounts(probe).filter(({ point }) => point.startsWith(`${root}/`));
  // Inner mounts come later in the table, and have to go first.
  return below.reverse().flatMap(({ point }: Mount) => {
    const id = point.slice(root.length + 1).split('/')[0] ?? '';
    if (!SANDBOX_ID.test(id)) return [];
    return [
      {
        kind: 'mount' as const,
        name: point,
        sandbox: id,
        proof: `beneath ${root}`,
        remove: () => must(run, probe, ['umount', point]),
      },
    ];
  });
}

function loops({ probe, dataDir, run }: RealOrphanDeps): readonly Thing[] {
  const root = `${join(dataDir, 'sandboxes')}/`;
  return namesIn('/sys/block').flatMap((name) => {
    const file = probe.readFile(`/sys/block/${name}/loop/backing_file`)?.trim() ?? '';
    const id = file.startsWith(root) ? file.slice(root.length).split('/')[0] : undefined;
    if (id === undefined || !SANDBOX_ID.test(id)) return [];
    return [
      {
        kind: 'loop' as const,
        name: `/dev/${name}`,
        sandbox: id,
        proof: `backed by ${file}`,
        remove: () => must(run, probe, ['losetup', '--detach', `/dev/${name}`]),
      },
    ];
  });
}

function interfaces({ probe, tag, run }: RealOrphanDeps): readonly Thing[] {
  return namesIn('/sys/class/net').flatMap((name) => {
    const slot = slotOfInterface(name, tag);
    if (slot === undefined) return [];
    const remove = () => must(run, probe, ['ip', 'link', 'delete', name]);
    return [{ kind: 'interface' as const, name, slot, proof: `tag ${tag}`, remove }];
  });
}

/** The registry names this folder only while it has host ids; its range is in the folder itself. */
function barriers({ probe, run, dataDir, claims }: RealOrphanDeps): Promise<readonly Thing[]> {
  const own = claimedRange(dataDir);
  const withOwn = () => [...claims(), ...(own === undefined ? [] : [{ dataDir: realpathSync(dataDir), range: own }])];
  return orphanBarriers({ probe, run, dataDir, claims: withOwn });
}

async function tables({ probe, tag, run }: RealOrphanDeps): Promise<readonly Thing[]> {
  const nft = probe.find('nft');
  if (nft === undefined) return [];
  const { code, stdout } = await run([nft, 'list', 'tables'], { env: {}, timeoutMs: PROGRAM_TIMEOUT_MS });
  const name = `arc_${tag}`;
  if (code !== 0 || !stdout.split('\n').includes(`table inet ${name}`)) return [];
  const remove = () => must(run, probe, ['nft', 'delete', 'table', 'inet', name]);
  return [{ kind: 'nft', name: `table inet ${name}`, proof: `tag ${tag}`, remove }];
}

function folders({ probe, dataDir }: RealOrphanDeps): readonly Thing[] {
  const roots = [join(dataDir, 'sandboxes'), join(dataDir, 'copies')];
  return roots.flatMap((root) =>
    idsIn(root).map((id) => ({
      kind: 'folder' as const,
      name: join(root, id),
      sandbox: id,
      proof: `in ${root}`,
      remove: () => removeFolder(join(root, id), root, probe),
    })),
  );
}

/** One sandbox's folder, itself no link, with nothing mounted in it. */
async function removeFolder(folder: string, root: string, probe: RealOrphanDeps['probe']): Promise<void> {
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (dirname(folder) !== root || !stat.isDirectory()) throw new Error(`${folder} is not a folder of a sandbox`);
  const inner = mounts(probe).find(({ point }) => point === folder || point.startsWith(`${folder}/`));
  if (inner !== undefined) throw new Error(`${inner.point} is still mounted`);
  await removeTree(folder, root);
}

async function removeCgroup(path: string, clock: Clock): Promise<void> {
  for (let tries = 0; tries < KILL_TRIES; tries++) {
    for (const pid of pidsIn(path)) killIfThere(pid);
    thaw(path);
    if (removeGroups(path)) return;
    await clock.sleep(KILL_RETRY_MS);
  }
  throw new Error('its processes do not end');
}

/** Frozen processes take no signal. */
function thaw(path: string): void {
  for (const [file, value] of [
    ['cgroup.freeze', '0'],
    ['freezer.state', 'THAWED'],
  ] as const) {
    try {
      writeFileSync(join(path, file), value, { flag: 'r+' });
    } catch {
      // The other kind of cgroup, or a controller that has no freezer.
    }
  }
}

/** Cgroups can only be removed from the leaves up; false while processes are in one. */
function removeGroups(path: string): boolean {
  for (const name of subfolders(path)) if (!removeGroups(join(path, name))) return false;
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return true;
    if (hasCode(error, 'EBUSY')) return false;
    throw error;
  }
}

function pidsIn(path: string): readonly number[] {
  const own = readText(join(path, 'cgroup.procs')).split('\n').filter(Boolean).map(Number);
  return [...own, ...subfolders(path).flatMap((name) => pidsIn(join(path, name)))];
}

const subfolders = (path: string): readonly string[] => {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
};

const idsIn = (path: string): readonly string[] => namesIn(path).filter((name) => SANDBOX_ID.test(name));

function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path).slice(0, MAX_ENTRIES);
  } catch {
    return [];
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function killIfThere(pid: number): void {
  if (!(pid > 1)) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

async function must(
  run: Run,
  probe: RealOrphanDeps['probe'],
  [program = '', ...args]: readonly string[],
): Promise<void> {
  const path = probe.find(program);
  if (path === undefined) throw new Error(`there is no ${program}`);
  const result = await run([path, ...args], { env: {}, timeoutMs: PROGRAM_TIMEOUT_MS });
  if (result.code !== 0) throw new Error(result.notStarted ?? (result.stderr.trim() || `${program} failed`));
}
