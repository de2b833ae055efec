import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import type { Clock } from '../../kit/clock.ts';

/** Longest wait until every process of a group stands still; one in the middle of a slow system call may take a while. */
const FREEZE_MS_MAX = 5_000;
const POLL_MS = { first: 1, max: 16 } as const;

/** One hierarchy that can freeze, and how it is spoken to. */
interface Hierarchy {
  readonly root: string;
  readonly file: string;
  readonly frozen: string;
  readonly thawed: string;
  readonly stateFile: string;
  readonly isFrozen: RegExp;
}

const V2 = {
  file: 'cgroup.freeze',
  frozen: '1',
  thawed: '0',
  stateFile: 'cgroup.events',
  isFrozen: /^frozen 1$/m,
} as const;
const V1 = {
  file: 'freezer.state',
  frozen: 'FROZEN',
  thawed: 'THAWED',
  stateFile: 'freezer.state',
  isFrozen: /^FROZEN$/m,
} as const;

/**
 * Stops all processes of a sandbox's cgroup where they stand, whatever they are doing, and lets them go on. The v2
 * hierarchy is preferred, also where it holds no controller: what is frozen there still dies from a SIGKILL, and in v1 it
 * doesn't until it is thawed.
 */
export class Freezer {
  readonly #clock: Clock;
  readonly #hierarchies: readonly Hierarchy[];

  readonly #group: string;

  /**
   * @param mountinfo of this process
   * @param group folder of this data folder's sandboxes, see `cgroupRoot`
   */
  constructor(clock: Clock, mountinfo: string, group: string) {
    this.#clock = clock;
    this.#group = group;
    this.#hierarchies = hierarchies(mountinfo);
  }

  /** Idempotent. Throws wrong_state where there is no such group, unavailable where something in it does not stand still. */
  async freeze(id: string): Promise<void> {
    const hierarchy = await this.#of(id);
    const folder = join(hierarchy.root, this.#group, id);
    await put(join(folder, hierarchy.file), hierarchy.frozen, id);
    const deadline = this.#clock.monotonic() + FREEZE_MS_MAX;
    for (let wait: number = POLL_MS.first; ; wait = Math.min(wait * 2, POLL_MS.max)) {
      if (hierarchy.isFrozen.test(await text(join(folder, hierarchy.stateFile)))) return;
      if (this.#clock.monotonic() >= deadline) break;
      await this.#clock.sleep(wait);
      // A v1 group that could not freeze at once goes on trying only when it is told to again.
      if (hierarchy.file === V1.file) await put(join(folder, hierarchy.file), hierarchy.frozen, id);
    }
    await this.thaw(id);
    throw new ArcError('unavailable', `not every process of ${id} stood still within ${FREEZE_MS_MAX} ms`);
  }

  /** Idempotent. Throws wrong_state where there is no such group. */
  async thaw(id: string): Promise<void> {
    const hierarchy = await this.#of(id);
    await put(join(hierarchy.root, this.#group, id, hierarchy.file), hierarchy.thawed, id);
  }

  /**
   * Read at once, without the threads of other files: the kernel answers from memory in some 30 µs, ten times sooner, and a
   * node that starts asks this of all that it holds.
   */
  async isFrozen(id: string): Promise<boolean> {
    for (const { root, stateFile, isFrozen } of this.#hierarchies) {
      if (isFrozen.test(textNow(join(root, this.#group, id, stateFile)))) return true;
    }
    return false;
  }

  async #of(id: string): Promise<Hierarchy> {
    for (const hierarchy of this.#hierarchies) {
      if ((await text(join(hierarchy.root, this.#group, id, hierarchy.stateFile))) !== '') return hierarchy;
    }
    if (this.#hierarchies.length === 0) throw new ArcError('host_unfit', 'this machine has no cgroup freezer mounted');
    throw new ArcError('wrong_state', `${id} has no processes on this node`);
  }
}

/** Those that are mounted, the v2 one first. */
function hierarchies(mountinfo: string): readonly Hierarchy[] {
  const found: Hierarchy[] = [];
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const root = before.split(' ')[4];
    const [type, , options = ''] = after.split(' ');
    if (root === undefined) continue;
    if (type === 'cgroup2') found.unshift({ root, ...V2 });
    else if (type === 'cgroup' && options.split(',').includes('freezer')) found.push({ root, ...V1 });
  }
  return found;
}

async function put(path: string, value: string, id: string): Promise<void> {
  try {
    await writeFile(path, value, { flag: 'r+' });
  } catch (cause) {
    throw new ArcError('wrong_state', `${id} is not there any more`, { cause });
  }
}

function textNow(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function text(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(() => '');
}
