import { lstat, mkdir, readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import type { FileSession, FileStat } from '../../engines/engine.ts';
import type { TreeEntry } from './order.ts';

/** Of entries, so that a tree can always be read into memory. */
const ENTRIES_MAX = 20_000;
const PATH_BYTES_MAX = 4_096;
const NAME_BYTES_MAX = 255;
/** Not the sandbox's: what its engine shows there is made anew for each program. */
const ENGINES_OWN = new Set(['dev', 'proc', 'lib', 'sys', 'arc']);

/**
 * The files of one sandbox at this level: real files and folders of ours, written by this process only, and never a link.
 * So a path whose parts are all plain can't lead out, and what programs do to their copies in memory can't either.
 */
export class SandboxFiles {
  readonly #dir: string;
  readonly #bytesMax: number;

  constructor(dir: string, bytesMax: number) {
    this.#dir = dir;
    this.#bytesMax = bytesMax;
  }

  async make(): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    for (const name of ['root', 'tmp', 'home', 'srv'])
      await mkdir(join(this.#dir, name), { recursive: true, mode: 0o755 });
  }

  /** Everything. Throws when it is more than the sandbox may have. */
  async read(): Promise<readonly TreeEntry[]> {
    return await readTree(this.#dir, this.#bytesMax);
  }

  async bytes(): Promise<number> {
    return (await readTree(this.#dir, Number.POSITIVE_INFINITY)).reduce((sum, { data }) => sum + data.length, 0);
  }

  async isFile(path: string): Promise<boolean> {
    const found = partsOf(path);
    if (found === undefined) return false;
    return await lstat(join(this.#dir, ...found)).then(
      (seen) => seen.isFile(),
      () => false,
    );
  }

  /** What a program left: what it changed is written, and what was there before it and is no more goes. */
  async apply(before: readonly TreeEntry[], after: readonly TreeEntry[]): Promise<void> {
    const now = new Map(after.map((entry) => [entry.path, entry]));
    if (after.length > ENTRIES_MAX || sizeOf(after) > this.#bytesMax) throw full(this.#bytesMax);
    const was = new Map(before.map((entry) => [entry.path, entry]));
    for (const entry of [...before].reverse()) {
      if (now.get(entry.path)?.dir === entry.dir) continue;
      const path = this.#inside(entry.path);
      await (entry.dir ? rmdir(path).catch(() => {}) : rm(path, { force: true })); // a folder may have got files meanwhile
    }
    for (const entry of [...after].sort((a, b) => (a.path < b.path ? -1 : 1))) {
      const path = this.#inside(entry.path);
      if (entry.dir) await mkdir(path, { recursive: true, mode: 0o755 });
      else if (!same(was.get(entry.path), entry)) await this.#put(path, entry.data, entry.mode);
    }
  }

  async #put(path: string, data: Uint8Array, mode: number): Promise<void> {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await writeFile(`${path}.arc-new`, data, { mode: (mode & 0o777) | 0o600 });
    await rename(`${path}.arc-new`, path);
  }

  #inside(path: string): string {
    const parts = partsOf(path);
    if (parts === undefined || parts.length === 0 || ENGINES_OWN.has(parts[0] ?? '')) {
      throw new ArcError('file_refused', `${JSON.stringify(path.slice(0, 80))} is no path of this sandbox's files`);
    }
    return join(this.#dir, ...parts);
  }

  session(): FileSession {
    const inside = (path: string) => (/^\/*$/.test(path) ? this.#dir : this.#inside(path));
    return {
      stat: async (path) => await statOf(inside(path), path),
      list: async (path) => {
        const folder = inside(path);
        const names = await readdir(folder).catch((error: unknown) => failed(error, path));
        return await Promise.all(names.map((name) => statOf(join(folder, name), name)));
      },
      read: (path) => chunksOf(inside(path), path),
      write: async (path, content, mode) => {
        const target = this.#inside(path);
        const held = await this.bytes();
        const parts: Uint8Array[] = [];
        let size = 0;
        for await (const part of content) {
          size += part.length;
          if (held + size > this.#bytesMax) throw full(this.#bytesMax);
          parts.push(Uint8Array.from(part));
        }
        const parent = await stat(dirname(target)).catch((error: unknown) => failed(error, path));
        if (!parent.isDirectory()) throw new ArcError('file_not_found', `${path}: its folder is not there`);
        await this.#put(target, Buffer.concat(parts), mode).catch((error: unknown) => failed(error, path));
      },
      mkdir: async (path, mode) => {
        const target = this.#inside(path);
        if (
          await stat(target).then(
            (seen) => seen.isDirectory(),
            () => false,
          )
        )
          return false;
        await mkdir(target, { mode: (mode & 0o777) | 0o700 }).catch((error: unknown) => failed(error, path));
        return true;
      },
      symlink: async (_, path) => {
        throw new ArcError('file_refused', `${path}: the level wasm has no links`);
      },
      remove: async (path, recursive) => {
        const target = this.#inside(path);
        const seen = await lstat(target).catch((error: unknown) => failed(error, path));
        const gone = seen.isDirectory() && !recursive ? rmdir(target) : rm(target, { recursive });
        await gone.catch((error: unknown) => failed(error, path));
      },
      [Symbol.asyncDispose]: async () => {},
    };
  }
}

/** The parts of a path, or undefined where one of them is not plain. */
function partsOf(path: string): readonly string[] | undefined {
  const parts = path.split('/').filter((part) => part !== '');
  const plain = (part: string) =>
    part !== '.' && part !== '..' && !part.includes('\0') && Buffer.byteLength(part) <= NAME_BYTES_MAX;
  return parts.every(plain) && Buffer.byteLength(path) <= PATH_BYTES_MAX ? parts : undefined;
}

/** Of a folder, regular files and folders. Links and all else are left out. */
export async function readTree(dir: string, bytesMax: number): Promise<readonly TreeEntry[]> {
  const found: TreeEntry[] = [];
  let bytes = 0;
  const walk = async (folder: string): Promise<void> => {
    for (const one of await readdir(join(dir, folder), { withFileTypes: true })) {
      const path = folder === '' ? one.name : `${folder}/${one.name}`;
      const full_ = join(dir, path);
      if (found.length >= ENTRIES_MAX) throw full(bytesMax);
      if (one.isDirectory()) {
        found.push({ path, dir: true, mode: 0o755, data: new Uint8Array() });
        await walk(path);
      } else if (one.isFile()) {
        const { size, mode } = await lstat(full_);
        bytes += size;
        if (bytes > bytesMax) throw full(bytesMax);
        found.push({ path, dir: false, mode: mode & 0o777, data: await readFile(full_) });
      }
    }
  };
  await walk('');
  return found;
}

function sizeOf(entries: readonly TreeEntry[]): number {
  return entries.reduce((sum, { data }) => sum + data.length, 0);
}

function same(one: TreeEntry | undefined, other: TreeEntry): boolean {
  return one !== undefined && !one.dir && one.mode === other.mode && Buffer.compare(one.data, other.data) === 0;
}

function full(bytes: number): ArcError {
  return new ArcError(
    'disk_full',
    `the files are more than the ${bytes} bytes or ${ENTRIES_MAX} entries of this sandbox`,
  );
}

async function* chunksOf(path: string, shown: string): AsyncGenerator<Uint8Array> {
  yield await readFile(path).catch((error: unknown) => failed(error, shown));
}

async function statOf(path: string, shown: string): Promise<FileStat> {
  const seen = await lstat(path).catch((error: unknown) => failed(error, shown));
  const name = shown.split('/').findLast((part) => part !== '') ?? '/';
  const type = seen.isDirectory() ? 'dir' : seen.isFile() ? 'file' : 'other';
  return { name, type, size: seen.size, mode: seen.mode & 0o777, uid: 0, gid: 0, mtimeMs: seen.mtimeMs };
}

function failed(error: unknown, path: string): never {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ENOTDIR') throw new ArcError('file_not_found', `${path} is not there`);
  if (error instanceof ArcError) throw error;
  throw new ArcError('file_refused', `${path}: ${String(code ?? 'it can not be done')}`, { cause: error });
}
