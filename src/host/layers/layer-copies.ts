import { mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ArcError } from '../../contract/errors.ts';
import { SANDBOX_ID } from '../../contract/ids.ts';
import { removeTree } from '../../kit/remove-tree.ts';
import type { Run } from '../../kit/run.ts';

/** The host ids of one sandbox: what is owned by n in a layer is owned by `hostBase` + n in its copy. */
export interface HostIds {
  readonly hostBase: number;
  readonly count: number;
}

export interface LayerCopiesDeps {
  readonly dataDir: string;
  /** Absolute path of the system's cp. */
  readonly cp: string;
  readonly run: Run;
  /** True from the beginning, in tests; else found out by the first start that could not map a layer. */
  readonly needed?: boolean;
}

/** A large image on a slow disk. */
const COPY_MS_MAX = 600_000;

/**
 * Where the kernel can not id-map the file system of the layers, each sandbox gets a copy of its own, with its own
 * owners: uids stay distinct, at the price of disk and of time at each start. `DATA/copies/ID/` holds one folder for each
 * layer; it comes in by rename, and goes with the sandbox.
 */
export class LayerCopies {
  readonly #deps: LayerCopiesDeps;
  readonly #root: string;
  needed: boolean;

  constructor(deps: LayerCopiesDeps) {
    this.#deps = deps;
    this.#root = join(deps.dataDir, 'copies');
    this.needed = deps.needed ?? false;
  }

  /** Copies all anew, and gives the copies in the same order. Throws disk_full, host_unfit. */
  async make(id: string, lowers: readonly string[], ids: HostIds, signal: AbortSignal): Promise<readonly string[]> {
    await this.remove(id);
    await mkdir(this.#root, { recursive: true, mode: 0o700 });
    const aside = join(this.#root, `${id}.new`);
    try {
      await removeTree(aside, this.#root);
      await mkdir(aside, { mode: 0o700 });
      for (const [at, lower] of lowers.entries()) await this.#copy(lower, join(aside, String(at)), signal);
      await shift(aside, ids);
      await rename(aside, join(this.#root, id));
    } catch (error) {
      await removeTree(aside, this.#root);
      throw error;
    }
    return lowers.map((_, at) => join(this.#root, id, String(at)));
  }

  /** Nothing there is no error. */
  async remove(id: string): Promise<void> {
    await removeTree(join(this.#root, id), this.#root);
  }

  /** After a crash: what no sandbox of `living` has. */
  async sweep(living: ReadonlySet<string>): Promise<void> {
    for (const name of await readdir(this.#root).catch(() => [])) {
      const whole = SANDBOX_ID.test(name) && living.has(name);
      if (!whole) await removeTree(join(this.#root, name), this.#root);
    }
  }

  /** With hard links, links, devices (a whiteout is one), modes, times and attributes (an opaque folder has one). */
  async #copy(from: string, to: string, signal: AbortSignal): Promise<void> {
    const argv = [this.#deps.cp, '--archive', '--reflink=auto', '--no-target-directory', '--', from, to];
    const result = await this.#deps.run(argv, { env: { LC_ALL: 'C' }, timeoutMs: COPY_MS_MAX, signal });
    signal.throwIfAborted();
    if (result.code === 0) return;
    const why = result.notStarted ?? (result.stderr.trim().split('\n').at(-1) || `cp ended with ${result.code}`);
    if (/No space left|Disk quota/.test(result.stderr)) throw new ArcError('disk_full', 'no space left for its layers');
    throw new ArcError('host_unfit', `the layers can neither be id-mapped nor copied: ${why}`);
  }
}

/** In a thread of its own: it is many small synchronous calls. */
async function shift(root: string, ids: HostIds): Promise<void> {
  const worker = new Worker(new URL('./shift-worker.ts', import.meta.url), { workerData: { root, ids } });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  worker.on('error', reject);
  worker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`the shifting thread ended with ${code}`))));
  await promise;
}
