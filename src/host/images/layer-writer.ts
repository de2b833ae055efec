import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  type Stats,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { type ByteString, components, PATH_BYTES_MAX, refuse, show, toBytes } from './tar-names.ts';

/** What an entry says of itself, after pax headers. */
export interface EntryMeta {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
}

/** The uids of a sandbox are one range of this size; what lies above has no owner inside and becomes nobody's. */
const IDS = 65_536;
const NOBODY = 65_534;
const MTIME_MAX = 2 ** 33;

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;

/**
 * Writes the entries of a layer beneath one folder and nowhere else. The folder is new and nobody but us writes there,
 * so a name is safe when each of its parents is a directory that was seen here by lstat: a link is never walked through.
 *
 * Set-uid and set-gid bits of files are left out (under no-new-privileges they do nothing inside, and on the host they
 * would be a danger); extended attributes too, file capabilities among them, for the same reason.
 */
export class LayerWriter {
  readonly whiteouts: ByteString[] = [];
  readonly opaque: ByteString[] = [];
  readonly #base: ByteString;
  /** Directories that exist, by path; the root is ''. With what is set on them at the end, when nothing touches them any more. */
  readonly #dirs = new Map<ByteString, EntryMeta | undefined>([['', undefined]]);

  constructor(base: string) {
    this.#base = Buffer.from(base, 'utf8').toString('latin1');
  }

  #at(path: ByteString): Buffer {
    return toBytes(path === '' ? this.#base : `${this.#base}/${path}`);
  }

  /** Makes sure of every parent and gives the entry's path, normalised. */
  #place(name: ByteString): ByteString {
    const parts = components(name);
    let path = '';
    for (const part of parts.slice(0, -1)) {
      path = path === '' ? part : `${path}/${part}`;
      this.#directory(path, name);
    }
    const last = parts.at(-1) ?? '';
    return path === '' ? last : `${path}/${last}`;
  }

  #directory(path: ByteString, name: ByteString): void {
    if (this.#dirs.has(path)) return;
    const found = this.#stat(path);
    if (found !== undefined && !found.isDirectory()) {
      throw refuse(
        `${show(name)} lies beneath ${show(path)}, which is ${found.isSymbolicLink() ? 'a link' : 'no folder'}`,
      );
    }
    if (found === undefined) mkdirSync(this.#at(path), 0o755);
    this.#dirs.set(path, undefined);
  }

  #stat(path: ByteString): Stats | undefined {
    return lstatSync(this.#at(path), { throwIfNoEntry: false });
  }

  /** Frees a name for what comes now: the last entry of a name wins, as everywhere, but never over a folder. */
  #free(path: ByteString, name: ByteString): void {
    if (path === '') throw refuse('the root of the archive is not a folder');
    if (this.#dirs.has(path)) throw refuse(`${show(name)} is there twice, once as a folder`);
    if (this.#stat(path) !== undefined) unlinkSync(this.#at(path));
  }

  addDirectory(name: ByteString, meta: EntryMeta): void {
    const path = this.#place(name);
    if (path !== '') this.#directory(path, name);
    this.#dirs.set(path, meta);
  }

  /** Gives what takes the bytes; its `end` sets owner, mode and time. */
  addFile(name: ByteString, meta: EntryMeta): { write(chunk: Uint8Array): void; end(): void; abort(): void } {
    const path = this.#place(name);
    this.#free(path, name);
    const fd = openSync(this.#at(path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    return {
      write: (chunk) => {
        for (let offset = 0; offset < chunk.byteLength; ) offset += writeSync(fd, chunk, offset);
      },
      end: () => {
        fchownSync(fd, owner(meta.uid), owner(meta.gid));
        fchmodSync(fd, meta.mode & 0o777);
        futimesSync(fd, time(meta.mtime), time(meta.mtime));
        closeSync(fd);
      },
      abort: () => closeSync(fd),
    };
  }

  /** The target may say anything: only the sandbox follows it, in its own root. */
  addSymlink(name: ByteString, target: ByteString, meta: EntryMeta): void {
    if (target === '' || target.length >= PATH_BYTES_MAX) throw refuse(`the link ${show(name)} has no valid target`);
    const path = this.#place(name);
    this.#free(path, name);
    symlinkSync(toBytes(target), this.#at(path));
    lchownSync(this.#at(path), owner(meta.uid), owner(meta.gid));
    lutimesSync(this.#at(path), time(meta.mtime), time(meta.mtime));
  }

  addHardlink(name: ByteString, target: ByteString): void {
    const from = components(target).join('/');
    for (let slash = from.indexOf('/'); slash !== -1; slash = from.indexOf('/', slash + 1)) {
      if (!this.#dirs.has(from.slice(0, slash))) {
        throw refuse(`the hard link ${show(name)} leads to ${show(target)}, which is not in this archive`);
      }
    }
    const found = from === '' ? undefined : this.#stat(from);
    if (found === undefined || !(found.isFile() || found.isSymbolicLink())) {
      throw refuse(`the hard link ${show(name)} leads to ${show(target)}, which is no file of this archive`);
    }
    const path = this.#place(name);
    if (path === from) return;
    this.#free(path, name);
    linkSync(this.#at(from), this.#at(path));
  }

  addWhiteout(name: ByteString, base: ByteString): void {
    const path = this.#place(name);
    const parent = path.slice(0, path.lastIndexOf('/') + 1);
    if (base === '' || base === '.' || base === '..') throw refuse(`a whiteout without a name: ${show(name)}`);
    this.whiteouts.push(parent + base);
  }

  addOpaque(name: ByteString): void {
    const path = this.#place(name);
    const slash = path.lastIndexOf('/');
    if (slash === -1) throw refuse('the layer hides the whole root below it, which overlayfs can not do');
    this.opaque.push(path.slice(0, slash));
  }

  /** What to mark, now that all entries are known: a whiteout hides what lies below, never what its own layer brings. */
  marks(): { readonly whiteouts: readonly ByteString[]; readonly opaque: readonly ByteString[] } {
    const whiteouts = new Set<ByteString>();
    const opaque = new Set(this.opaque);
    for (const path of this.whiteouts) {
      const found = this.#stat(path);
      if (found === undefined) whiteouts.add(path);
      else if (found.isDirectory()) opaque.add(path);
    }
    return { whiteouts: [...whiteouts], opaque: [...opaque] };
  }

  /** Sets owners, modes and times of folders, deepest first, after everything in them is made. */
  finish(): void {
    const byDepth = [...this.#dirs].sort(([a], [b]) => (a < b ? 1 : -1));
    for (const [path, meta] of byDepth) {
      const at = this.#at(path);
      if (meta === undefined) {
        chmodSync(at, 0o755);
        continue;
      }
      lchownSync(at, owner(meta.uid), owner(meta.gid));
      chmodSync(at, meta.mode & 0o3777);
      utimesSync(at, time(meta.mtime), time(meta.mtime));
    }
  }
}

const owner = (id: number): number => (Number.isInteger(id) && id >= 0 && id < IDS ? id : NOBODY);
const time = (seconds: number): number => (Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), MTIME_MAX) : 0);
