import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupRoot } from '../../src/host/cgroups/root.ts';

const CHECKED = 20;

/**
 * Before a figure counts: are these sandboxes in the whole default box? Read from the kernel, of some of them by chance.
 * Throws with what is missing; gives a sentence for the head of the output.
 */
export function checkFullBox(dataDir: string, ids: readonly string[]): string {
  const chosen = ids.toSorted(() => Math.random() - 0.5).slice(0, CHECKED);
  if (chosen.length === 0) throw new Error('there is no sandbox to check');
  for (const id of chosen) {
    const missing = faultsOf(cgroupRoot(dataDir), id);
    if (missing.length > 0) throw new Error(`${id} is not in the full box: ${missing.join('; ')}`);
  }
  const rules = execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' });
  const tables = rules.split('\n').filter((line) => /^table inet arc/.test(line));
  const sets = tables.map((line) => execFileSync('nft', ['list', 'set', ...line.split(' ').slice(1), 'refused4']));
  if (!sets.some((set) => /169\.254\.0\.0\/16/.test(set.toString())))
    throw new Error('no set of rules refuses metadata');
  return `${chosen.length} of ${ids.length} by chance: user and other namespaces, no capabilities, seccomp, limits, rules`;
}

function faultsOf(group: string, id: string): readonly string[] {
  const folders = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)]
    .map((root) => join(root, group, id))
    .filter((folder) => text(`${folder}/cgroup.procs`) !== '');
  const pid = folders.map((folder) => text(`${folder}/cgroup.procs`).split('\n')[0]).find(Boolean);
  if (pid === undefined) return ['no process in its cgroup'];
  const status = text(`/proc/${pid}/status`);
  const [inside, outside] = text(`/proc/${pid}/uid_map`).trim().split(/\s+/);
  const limit = (...files: readonly string[]) =>
    folders.flatMap((folder) => files.map((file) => text(join(folder, file)).trim())).find((value) => value !== '');
  const memory = Number(limit('memory.max', 'memory.limit_in_bytes'));
  const pids = Number(limit('pids.max'));
  const shared = ['user', 'net', 'mnt', 'pid', 'ipc', 'uts', 'cgroup'].filter(
    (kind) => readlinkSync(`/proc/${pid}/ns/${kind}`) === readlinkSync(`/proc/self/ns/${kind}`),
  );
  return [
    ...shared.map((kind) => `the host's ${kind} namespace`),
    ...(/^Seccomp:\s+2$/m.test(status) ? [] : ['no seccomp filter']),
    ...(/^NoNewPrivs:\s+1$/m.test(status) ? [] : ['new privileges']),
    ...(/^CapEff:\s+0+$/m.test(status) && /^CapBnd:\s+0+$/m.test(status) ? [] : ['capabilities']),
    ...(inside === '0' && Number(outside) > 0 ? [] : ['no map of its own for users']),
    ...(memory > 0 && memory < 2 ** 40 ? [] : ['no memory limit']),
    ...(pids > 0 ? [] : ['no limit of processes']),
  ];
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
