import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstat, mkdir, mkdtemp, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../kit/clock.ts';
import { Places } from '../../kit/places.ts';
import { removeTree } from '../../kit/remove-tree.ts';
import { fileError } from './file-error.ts';

/** How long after a pull its layers are safe from `prune`, though no template may name them yet. */
const FRESH_MS = 60_000;

/**
 * Layers by content, `DATA/layers/sha256/HEX/`, each the root of one unpacked layer. They come in by rename, so one that
 * is there is whole. `DATA/layers/tmp/` holds what is being made and what is being removed; it is emptied at first use.
 */
export class LayerStore {
  readonly #root: string;
  readonly #clock: Clock;
  #ready: Promise<void> | undefined;
  /** By digest: how many pulls need it right now. */
  readonly #held = new Map<string, number>();
  readonly #fresh = new Map<string, number>();
  readonly #prunes = new Places(1);
  readonly #removing = new Map<string, Promise<void>>();

  constructor(dataDir: string, clock: Clock) {
    this.#root = join(dataDir, 'layers');
    this.#clock = clock;
  }

  path(digest: string): string {
    return join(this.#root, 'sha256', digest.slice('sha256:'.length));
  }

  /** Only root may walk in: the layers hold programs of strangers. */
  async prepare(): Promise<void> {
    this.#ready ??= (async () => {
      await mkdir(join(this.#root, 'sha256'), { recursive: true, mode: 0o700 });
      await removeTree(join(this.#root, 'tmp'), this.#root);
      await mkdir(join(this.#root, 'tmp'), { mode: 0o700 });
    })();
    await this.#ready;
  }

  async has(digest: string): Promise<boolean> {
    await this.#removing.get(digest);
    return (await lstat(this.path(digest)).catch(() => undefined))?.isDirectory() ?? false;
  }

  /** From now on `prune` leaves this layer alone, until the holder lets go and a while longer. */
  hold(digests: readonly string[]): Disposable {
    for (const digest of digests) this.#held.set(digest, (this.#held.get(digest) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        for (const digest of digests) {
          const left = (this.#held.get(digest) ?? 1) - 1;
          if (left > 0) this.#held.set(digest, left);
          else this.#held.delete(digest);
          this.#fresh.set(digest, this.#clock.monotonic());
        }
      },
    };
  }

  /** An own folder for work in progress, gone with everything in it at the end. */
  async workFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
    await this.prepare();
    const path = await mkdtemp(join(this.#root, 'tmp', 'work-')).catch((cause) => {
      throw fileError(cause, 'a layer');
    });
    return { path, [Symbol.asyncDispose]: () => removeTree(path, this.#root) };
  }

  /** Brings a finished folder in. Somebody else may have been first with the same content; then theirs stays. */
  async commit(folder: string, digest: string): Promise<void> {
    // After a power cut a renamed folder must not hold empty files: the content goes to the disk before its name does.
    await syncFileSystem(folder);
    try {
      await rename(folder, this.path(digest));
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw fileError(cause, 'a layer');
    }
  }

  prune(inUse: ReadonlySet<string>): Promise<{ readonly layers: number; readonly bytes: number }> {
    return this.#prunes.run(() => this.#prune(inUse));
  }

  async #prune(inUse: ReadonlySet<string>): Promise<{ readonly layers: number; readonly bytes: number }> {
    await this.prepare();
    let layers = 0;
    let bytes = 0;
    for (const name of await readdir(join(this.#root, 'sha256'))) {
      const digest = `sha256:${name}`;
      if (inUse.has(digest) || this.#isNeeded(digest)) continue;
      const away = join(this.#root, 'tmp', `prune-${name}`);
      const removal = rename(this.path(digest), away).finally(() => this.#removing.delete(digest));
      this.#removing.set(digest, removal);
      await removal;
      bytes += await diskBytes(away);
      layers += 1;
      await removeTree(away, this.#root);
    }
    return { layers, bytes };
  }

  #isNeeded(digest: string): boolean {
    if (this.#held.has(digest)) return true;
    const since = this.#fresh.get(digest);
    if (since === undefined) return false;
    if (this.#clock.monotonic() - since < FRESH_MS) return true;
    this.#fresh.delete(digest);
    return false;
  }
}

/** What removing a folder frees; a file with several names counts once. */
export async function diskBytes(folder: string): Promise<number> {
  const seen = new Set<string>();
  let bytes = 0;
  const visit = async (path: Buffer): Promise<void> => {
    const stat = await lstat(path);
    const key = `${stat.dev}:${stat.ino}`;
    if (seen.has(key)) return;
    if (stat.nlink > 1) seen.add(key);
    bytes += stat.blocks * 512;
    if (!stat.isDirectory()) return;
    for (const child of await readdir(path, { encoding: 'buffer' })) {
      await visit(Buffer.concat([path, Buffer.from('/'), child]));
    }
  };
  await visit(Buffer.from(folder));
  return bytes;
}

/** Node has no syncfs; coreutils' `sync -f` does it in one call. Where it is missing the content is merely less safe. */
export async function syncFileSystem(folder: string): Promise<void> {
  const child = spawn('sync', ['-f', folder], { stdio: 'ignore', env: { PATH: '/usr/bin:/bin' } });
  await Promise.race([once(child, 'close'), once(child, 'error')]).catch(() => {});
}
