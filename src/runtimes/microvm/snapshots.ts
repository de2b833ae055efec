import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ArcError } from '../../contract/errors.ts';
import type { RootDisk } from '../../host/kit/root-disks.ts';
import { removeTree } from '../../kit/remove-tree.ts';
import { GuestChannel } from './channel/channel.ts';
import { confined } from './confine.ts';
import type { MicrovmDeps } from './deps.ts';
import { makeExitDisk } from './exit-disk.ts';
import type { Machine } from './monitor.ts';
import { Qmp } from './qmp.ts';

/** The oldest goes when there are more: each is some tens of MiB. */
const SNAPSHOTS_MAX = 16;
const MAKE_MS = 180_000;
const NONCE_BYTES = 16;
const MIB = 1024 * 1024;
/** State of the devices, on top of the memory. */
const DEVICES_BYTES_MAX = 64 * MIB;
const BANDWIDTH_BYTES = 16 * 1024 * MIB;
const POLL_MS = 20;

/**
 * Machines that were booted as far as to where they wait for their order, saved. A machine that starts from one reads it by a
 * descriptor that it can't write to; clock, randomness, names and addresses come with the order, so no two are alike.
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
    const { snapshotsDir, bwrap, monitor, kit } = this.#deps;
    await mkdir(snapshotsDir, { recursive: true, mode: 0o700 });
    const work = await mkdtemp(join(snapshotsDir, 'making-'));
    const late = new AbortController();
    const cancel = this.#deps.clock.after(MAKE_MS, () => late.abort(new Error(`it took longer than ${MAKE_MS} ms`)));
    const limit = late.signal;
    const files = { kit, root: root.path, state: work, ...(disk !== undefined && { disk }) };
    await makeExitDisk(join(work, 'exit'), 0);
    const [program = '', ...args] = confined(bwrap, monitor, machine, files);
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
      const guest = await GuestChannel.open(
        { path: join(work, 'guest'), nonce: rng.bytes(NONCE_BYTES), clock },
        signal,
      );
      guest.close();
      await this.#save(work, machine.memoryBytes + DEVICES_BYTES_MAX, signal);
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

  async #save(work: string, most: number, signal: AbortSignal): Promise<void> {
    const saved = join(work, 'saved');
    await writeFile(saved, '', { mode: 0o600 });
    const server = createServer();
    const received = new Promise<void>((resolve, reject) => {
      server.once('connection', (socket) => {
        let bytes = 0;
        socket.on('data', (part) => {
          bytes += part.length;
          if (bytes > most) socket.destroy(new Error(`more than ${most} bytes`));
        });
        pipeline(socket, createWriteStream(saved), { signal }).then(resolve, reject);
      });
    });
    server.listen(join(work, 'save'));
    await once(server, 'listening', { signal });
    const qmp = await Qmp.open(join(work, 'control'), signal);
    try {
      await qmp.command('migrate-set-parameters', { 'max-bandwidth': BANDWIDTH_BYTES });
      await qmp.command('migrate', { uri: 'unix:/run/arc/save' });
      await Promise.all([received, this.#migrated(qmp, signal)]);
    } finally {
      qmp.close();
      server.close();
    }
  }

  async #migrated(qmp: Qmp, signal: AbortSignal): Promise<void> {
    for (;;) {
      const answer = JSON.stringify(await qmp.command('query-migrate', {}));
      if (/"status":"completed"/.test(answer)) return;
      if (/"status":"(failed|cancelled)"/.test(answer)) throw new ArcError('internal', `saving a machine: ${answer}`);
      await this.#deps.clock.sleep(POLL_MS, signal);
    }
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
    await Promise.all(old.map(({ name }) => rm(join(snapshotsDir, name), { force: true })));
  }
}
