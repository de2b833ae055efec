import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import type { Run } from '../../kit/run.ts';

export interface BlankImage {
  readonly path: string;
  /** Inodes it was made with: the bound on the number of files. */
  readonly inodes: number;
}

export interface BlanksDeps {
  /** Folder for the images, one of each size. */
  readonly dir: string;
  /** Absolute path of `mkfs.ext4`. */
  readonly mkfs: string;
  readonly run: Run;
}

/** mkfs.ext4 makes nothing useful below this. */
export const DISK_BYTES_MIN = 1024 * 1024;
const BYTES_PER_INODE = 16_384;
const INODES_MIN = 256;
const MKFS_TIMEOUT_MS = 60_000;
const BLOCK_BYTES = 4096;
/** Sizes kept at once; a template's author chooses them, so they are few. */
const BLANKS_MAX = 256;

/**
 * Empty ext4 file systems, one file of each size, made once and copied sparsely for each sandbox: some tens of KiB of
 * real data whatever the size. Without a journal, since the writable layer is as short-lived as its sandbox.
 */
export class Blanks {
  readonly #deps: BlanksDeps;
  readonly #made = new Map<number, Promise<BlankImage>>();

  constructor(deps: BlanksDeps) {
    this.#deps = deps;
  }

  /** Throws disk_full, host_unfit. */
  async get(bytes: number): Promise<BlankImage> {
    const size = roundedSize(bytes);
    const held = this.#made.get(size);
    if (held !== undefined) return await held;
    if (this.#made.size >= BLANKS_MAX) {
      throw new ArcError('at_capacity', `there are already ${BLANKS_MAX} sizes of writable layers on this node`);
    }
    const making = this.#make(size);
    this.#made.set(size, making);
    making.catch(() => this.#made.delete(size));
    return await making;
  }

  async #make(bytes: number): Promise<BlankImage> {
    const inodes = inodesFor(bytes);
    const path = join(this.#deps.dir, `blank-${bytes}-${inodes}.ext4`);
    const there = await stat(path).catch(() => undefined);
    if (there?.isFile() && there.size === bytes) return { path, inodes };
    await mkdir(this.#deps.dir, { recursive: true, mode: 0o700 });
    // Made aside and renamed: a crash in between leaves a file that nobody takes for an image.
    const aside = `${path}.new`;
    await rm(aside, { force: true });
    try {
      await allocate(aside, bytes);
      await this.#format(aside, inodes);
      await rename(aside, path);
    } catch (error) {
      await rm(aside, { force: true });
      throw isDiskFull(error) ? new ArcError('disk_full', `no room for a disk image of ${bytes} bytes`) : error;
    }
    return { path, inodes };
  }

  async #format(path: string, inodes: number): Promise<void> {
    const features = '^has_journal,^resize_inode,^huge_file,^metadata_csum,uninit_bg';
    const argv = [this.#deps.mkfs, '-q', '-F', '-b', String(BLOCK_BYTES), '-N', String(inodes), '-m', '0'];
    argv.push('-O', features, '-E', 'lazy_itable_init=1,nodiscard,root_owner=0:0', path);
    const result = await this.#deps.run(argv, { env: {}, timeoutMs: MKFS_TIMEOUT_MS });
    if (result.code === 0) return;
    throw new ArcError('host_unfit', `mkfs.ext4 failed: ${result.notStarted ?? result.stderr.trim()}`);
  }
}

export function roundedSize(bytes: number): number {
  return Math.ceil(Math.max(bytes, DISK_BYTES_MIN) / BLOCK_BYTES) * BLOCK_BYTES;
}

export function inodesFor(bytes: number): number {
  return Math.max(INODES_MIN, Math.floor(bytes / BYTES_PER_INODE));
}

async function allocate(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.truncate(bytes);
  } finally {
    await file.close();
  }
}

function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}
