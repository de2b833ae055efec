import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import type { RootDisk } from '../../host/kit/root-disks.ts';
import { removeTree } from '../../kit/remove-tree.ts';
import { GuestChannel } from './channel/channel.ts';
import type { MicrovmDeps } from './deps.ts';
import { makeExitDisk } from './exit-disk.ts';
import { type Machine, type MachineFiles, memoryOf } from './monitor.ts';

/** The oldest goes when there are more: each is some tens of MiB. */
const SNAPSHOTS_MAX = 16;
const MAKE_MS = 180_000;
const NONCE_BYTES = 16;
const COPY_MS = 60_000;

/**
 * Machines that were booted as far as to where they wait for their order, saved. A machine that starts from one can read it and
 * not write to it; clock, randomness, names and addresses come with the order, so no two are alike.
 */
export class Snapshots {
  readonly #deps: MicrovmDeps;
  readonly #making = new Map<string, Promise<string>>();

  constructor(deps: MicrovmDeps) {
    this.#deps = deps;
  }

  /** The file of one that fits, or undefined. One of another kernel, monitor, root or size fits nothing. */
  async find(machine: Machine, root: RootDisk): Promise<string | undefined> {
    const path = await this.#pathOf(machine, root);
    if (!(await stat(path).catch(() => undefined))?.isFile()) return undefined;
    const now = new Date(this.#deps.clock.now());
    await utimes(path, now, now).catch(() => {}); // it may be cleared away at this very moment; then it is made again
    return path;
  }

  /** Makes it, once for all who ask meanwhile. Throws when the machine does not come up. */
  async make(machine: Machine, root: RootDisk, disk: string | undefined): Promise<string> {
    const path = await this.#pathOf(machine, root);
    const held = this.#making.get(path);
    if (held !== undefined) return await held;
    const making = this.#make(path, { ...machine, purpose: 'save' }, root, disk);
    this.#making.set(path, making);
    try {
      return await making;
    } finally {
      this.#making.delete(path);
    }
  }

  async #pathOf(machine: Machine, root: RootDisk): Promise<string> {
    const { kit, monitor, snapshotsDir } = this.#deps;
    const program = await stat(monitor.program);
    const { memoryBytes, cpus, mtu, diskBytes } = machine;
    const parts = [
      kit.id,
      monitor.name,
      program.size,
      program.mtimeMs,
      root.id,
      memoryBytes,
      cpus,
      mtu,
      diskBytes ?? 0,
    ];
    return join(snapshotsDir, `${createHash('sha256').update(parts.join(' ')).digest('hex').slice(0, 32)}.machine`);
  }

  async #make(path: string, machine: Machine, root: RootDisk, disk: string | undefined): Promise<string> {
    const { snapshotsDir, monitor, kit } = this.#deps;
    await mkdir(snapshotsDir, { recursive: true, mode: 0o700 });
    const work = await mkdtemp(join(snapshotsDir, 'making-'));
    const late = new AbortController();
    const cancel = this.#deps.clock.after(MAKE_MS, () => late.abort(new Error(`it took longer than ${MAKE_MS} ms`)));
    const limit = late.signal;
    const owner = monitor.saverUid;
    const own = disk === undefined ? undefined : await this.#ownDisk(disk, work, owner);
    const files: MachineFiles = { kit, root: root.path, state: work, owner, ...(own !== undefined && { disk: own }) };
    await makeExitDisk(join(work, 'exit'), owner);
    await chown(work, owner, owner);
    const [program = '', ...args] = monitor.alone(machine, files);
    const child = spawn(program, args, { env: {}, stdio: ['ignore', 'ignore', 'pipe'], signal: limit });
    const gone = once(child, 'close').catch(() => {});
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(0, 4096);
    });
    const ended = new AbortController();
    child.on('close', () => ended.abort(new ArcError('start_failed', `the machine to be saved ended: ${said.trim()}`)));
    try {
      const signal = AbortSignal.any([limit, ended.signal]);
      const { clock, rng } = this.#deps;
      await monitor.begin(machine, work, signal);
      const port = monitor.vsockPort;
      const at = { path: join(work, 'guest'), ...(port !== undefined && { vsockPort: port }) };
      const guest = await GuestChannel.open({ ...at, nonce: rng.bytes(NONCE_BYTES), clock }, signal);
      guest.close();
      await monitor.save(machine, work, signal);
      // The memory first: what is found has both.
      if (monitor.name === 'firecracker') await rename(join(work, 'memory'), memoryOf(path));
      await rename(join(work, 'saved'), path);
      await this.#clear();
      return path;
    } catch (error) {
      child.kill('SIGKILL');
      await gone;
      if (said === '') throw error;
      throw new ArcError('start_failed', `the machine to be saved ended: ${said.trim()}`, { cause: error });
    } finally {
      cancel();
      child.kill('SIGKILL');
      await gone;
      await removeTree(work, snapshotsDir);
    }
  }

  /** The same content as every machine's blank disk, since what its kernel has read of it is saved; writable by its monitor. */
  async #ownDisk(blank: string, work: string, owner: number): Promise<string> {
    if (owner === 0) return blank; // root's like the blank itself
    const path = join(work, 'disk');
    const argv = ['cp', '--sparse=always', '--reflink=auto', blank, path];
    const copied = await this.#deps.run(argv, { env: { PATH: '/usr/bin:/bin' }, timeoutMs: COPY_MS });
    if (copied.code !== 0) throw new ArcError('disk_full', `no room for a disk to save with: ${copied.stderr.trim()}`);
    await chown(path, owner, owner);
    return path;
  }

  /** Those that were not used for longest go. */
  async #clear(): Promise<void> {
    const { snapshotsDir } = this.#deps;
    const names = (await readdir(snapshotsDir)).filter((name) => name.endsWith('.machine'));
    const used = await Promise.all(
      names.map(async (name) => ({
        name,
        at: (await stat(join(snapshotsDir, name)).catch(() => undefined))?.mtimeMs ?? 0,
      })),
    );
    const old = used.sort((a, b) => b.at - a.at).slice(SNAPSHOTS_MAX);
    const files = old.flatMap(({ name }) => [name, memoryOf(name)]);
    await Promise.all(files.map((name) => rm(join(snapshotsDir, name), { force: true })));
  }
}
