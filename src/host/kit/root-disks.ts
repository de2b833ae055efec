import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import type { Run } from '../../kit/run.ts';

export interface RootDisksDeps {
  /** Folder for the disks, one of each root. */
  readonly dir: string;
  /** Absolute paths. */
  readonly programs: {
    readonly mkfsErofs: string;
    readonly unshare: string;
    readonly nsenter: string;
    readonly mount: string;
  };
  readonly run: Run;
}

export interface RootDisk {
  readonly path: string;
  /** Of the layers it was made from. */
  readonly id: string;
}

const MAKE_MS = 600_000;
/** Length of an id in hexadecimal digits. */
const ID_DIGITS = 32;

/**
 * A root as a read-only EROFS disk, made once and shared by all machines of the root. Several layers are put on top of each
 * other by the kernel's own overlay, in a mount namespace that lasts as long as the making.
 */
export class RootDisks {
  readonly #deps: RootDisksDeps;
  readonly #making = new Map<string, Promise<RootDisk>>();

  constructor(deps: RootDisksDeps) {
    this.#deps = deps;
  }

  /** @param lowers directories, lowest first. Throws host_unfit, disk_full. */
  async get(lowers: readonly string[]): Promise<RootDisk> {
    const id = createHash('sha256').update(lowers.join('\0')).digest('hex').slice(0, ID_DIGITS);
    const held = this.#making.get(id);
    if (held !== undefined) return await held;
    const making = this.#make(id, lowers);
    this.#making.set(id, making);
    making.catch(() => this.#making.delete(id));
    return await making;
  }

  async #make(id: string, lowers: readonly string[]): Promise<RootDisk> {
    const path = join(this.#deps.dir, `${id}.erofs`);
    if ((await stat(path).catch(() => undefined))?.isFile()) return { path, id };
    await mkdir(this.#deps.dir, { recursive: true, mode: 0o711 });
    const aside = `${path}.new`;
    await rm(aside, { force: true });
    try {
      const [only] = lowers;
      if (lowers.length === 1 && only !== undefined) await this.#format(aside, only, []);
      else await this.#formatAll(aside, lowers);
      await rename(aside, path);
    } finally {
      await rm(aside, { force: true });
    }
    return { path, id };
  }

  async #formatAll(target: string, lowers: readonly string[]): Promise<void> {
    const { unshare, nsenter, mount } = this.#deps.programs;
    // Ends with its stdin, and so with this process, whatever becomes of it.
    const holder = spawn(unshare, ['--mount', '--propagation', 'private', 'cat'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const gone = once(holder, 'exit');
    try {
      holder.stdin.write('.');
      await once(holder.stdout, 'data');
      const inside = [nsenter, `--mount=/proc/${holder.pid}/ns/mnt`, '--'];
      const at = '/mnt';
      const option = `ro,lowerdir=${[...lowers].reverse().join(':')}`;
      await this.#needs([...inside, mount, '-t', 'overlay', '-o', option, 'arc', at]);
      await this.#format(target, at, inside);
    } finally {
      holder.stdin.end();
      await gone;
    }
  }

  /** Uncompressed: its pages are the host's page cache, and are unpacked by nobody. */
  async #format(target: string, from: string, inside: readonly string[]): Promise<void> {
    await this.#needs([...inside, this.#deps.programs.mkfsErofs, '--quiet', '--preserve-mtime', target, from]);
  }

  async #needs(argv: readonly string[]): Promise<void> {
    const result = await this.#deps.run(argv, { env: {}, timeoutMs: MAKE_MS });
    if (result.code === 0) return;
    const said = (result.notStarted ?? result.stderr).trim();
    const full = /No space left/i.test(said);
    throw new ArcError(full ? 'disk_full' : 'host_unfit', `the disk of a root can not be made: ${said}`);
  }
}
