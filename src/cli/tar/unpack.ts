import { constants } from 'node:fs';
import { chmod, link, lstat, mkdir, open, rm, symlink, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Extract, type ExtractEvents, type Header, extract as makeExtract } from 'tar-stream';
import { ArcError } from '../../contract/errors.ts';
import { clean } from '../clean.ts';

type Content = ExtractEvents['entry'][1];

/** Entries taken from one tar. */
export const ENTRIES_MAX = 1_000_000;

/**
 * Unpacks a tar that a sandbox made, so nothing in it is believed: names stay beneath the folder, no write goes through a
 * link, links are made last, devices are refused, and bits that give rights (setuid) are dropped.
 */
export async function unpackInto(folder: string, tar: AsyncIterable<Uint8Array>): Promise<{ readonly files: number }> {
  const extract = makeExtract();
  const done = Promise.withResolvers<void>();
  await mkdir(folder, { recursive: true });
  const unpacker = new Unpacker(folder);
  // Events and not the iterator: that one waits, when it is left early, for an entry that nobody will read any more.
  extract.on('entry', (header, content, next) => {
    // An entry that is cut off fails too, after the archive did, when nobody reads it any more.
    content.on('error', done.reject);
    unpacker.take(header, content).then(() => next(), done.reject);
  });
  extract.on('finish', done.resolve);
  extract.on('error', done.reject);
  feed(tar, extract).catch(done.reject);
  try {
    await done.promise;
  } catch (error) {
    extract.destroy();
    throw error;
  }
  await unpacker.finish();
  return { files: unpacker.files };
}

/** Stops taking from the source once nobody unpacks any more. */
async function feed(tar: AsyncIterable<Uint8Array>, extract: Extract): Promise<void> {
  for await (const chunk of tar) {
    if (extract.destroying) return;
    if (!extract.write(chunk)) await drained(extract);
  }
  extract.end(null);
}

function drained(extract: Extract): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      extract.off('drain', done);
      extract.off('close', done);
      resolve();
    };
    extract.on('drain', done);
    extract.on('close', done);
  });
}

class Unpacker {
  files = 0;
  #entries = 0;
  readonly #folder: string;
  /** Folders known to be real ones, so that each is looked at once. */
  readonly #real = new Set<string>();
  readonly #links: { readonly path: string; readonly target: string; readonly name: string }[] = [];
  readonly #folders: { readonly path: string; readonly mode: number; readonly mtime: Date | undefined }[] = [];

  constructor(folder: string) {
    this.#folder = folder;
    this.#real.add(folder);
  }

  async take(header: Header, content: Content): Promise<void> {
    const { name, type, mode, mtime, linkname } = header;
    this.#entries += 1;
    if (this.#entries > ENTRIES_MAX) throw refused(`the archive has more than ${ENTRIES_MAX} entries`);
    const inside = safeName(name);
    const path = join(this.#folder, inside);
    if (type === 'directory') {
      await this.#makeFolder(path);
      this.#folders.push({ path, mode: (mode ?? 0o755) & 0o777, mtime });
    } else if (type === 'file' || type === 'contiguous-file') {
      await this.#makeFile(path, content, (mode ?? 0o644) & 0o777, mtime);
      return;
    } else if (type === 'symlink') {
      this.#links.push({ path, target: linkname ?? '', name });
    } else if (type === 'link') {
      await this.#makeFolder(dirname(path));
      const source = join(this.#folder, safeName(linkname ?? ''));
      await this.#makeFolder(dirname(source));
      if (!(await lstat(source)).isFile()) throw refused(`"${name}" is a link to something that is no file`);
      await this.#clear(path);
      await link(source, path);
    } else throw refused(`"${name}" is a ${type}`);
    content.resume();
  }

  /** Links come last: while files are written, none that the archive brought is there to lead a name elsewhere. */
  async finish(): Promise<void> {
    for (const { path, target, name } of this.#links) {
      if (target === '') throw refused(`"${name}" is a link to nothing`);
      await this.#makeFolder(dirname(path));
      await this.#clear(path);
      await symlink(target, path);
      this.files += 1;
    }
    // Deepest first, since a folder may forbid writing and what is made in it changes its time.
    for (const { path, mode, mtime } of this.#folders.reverse()) {
      const stat = await lstat(path);
      if (!stat.isDirectory()) continue;
      await chmod(path, mode);
      if (mtime) await utimes(path, mtime, mtime);
    }
  }

  async #makeFile(path: string, content: Content, mode: number, mtime: Date | undefined): Promise<void> {
    await this.#makeFolder(dirname(path));
    await this.#clear(path);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    await using file = await open(path, flags, mode);
    for await (const chunk of content) await file.write(chunk as Uint8Array);
    await file.chmod(mode);
    if (mtime) await file.utimes(mtime, mtime);
    this.files += 1;
  }

  /** Every folder on the way must be a real one: a link, even one that was there before, would lead elsewhere. */
  async #makeFolder(path: string): Promise<void> {
    if (this.#real.has(path)) return;
    if (path !== this.#folder) await this.#makeFolder(dirname(path));
    try {
      await mkdir(path);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
      if (!(await lstat(path)).isDirectory()) throw refused(`${path} is there and is no folder`);
    }
    this.#real.add(path);
  }

  async #clear(path: string): Promise<void> {
    const stat = await lstat(path).catch(() => undefined);
    if (stat?.isDirectory()) throw refused(`${path} is there and is a folder`);
    if (stat) await rm(path);
  }
}

function safeName(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || parts.includes('..') || name.includes('\0')) {
    throw refused(`"${name}" leads out of the folder`);
  }
  return parts.join('/');
}

function refused(detail: string): ArcError {
  return new ArcError('archive_refused', clean(detail), {
    hint: 'What came before it in the archive is there already.',
  });
}
