import type { TreeEntry } from '../order.ts';
import { dirEntry, FOLDERS, fileEntry } from './tree.ts';

/** The files of a sandbox as a program in QuickJS sees them: a map by path, without links. */
export class MemoryFiles {
  readonly #entries = new Map<string, TreeEntry>();

  constructor(files: readonly TreeEntry[]) {
    for (const folder of FOLDERS) this.#entries.set(folder, dirEntry(folder));
    for (const entry of files) this.#entries.set(entry.path, entry);
  }

  all(): readonly TreeEntry[] {
    return [...this.#entries.values()];
  }

  /** Of a path as the program gives it, its key; throws where it is no path. */
  static key(cwd: string, path: string): string {
    const parts: string[] = [];
    for (const part of `${path.startsWith('/') ? '' : `${cwd}/`}${path}`.split('/')) {
      if (part === '..') parts.pop();
      else if (part !== '' && part !== '.') parts.push(part);
    }
    return parts.join('/');
  }

  kind(key: string): 'file' | 'dir' | undefined {
    if (key === '') return 'dir';
    const entry = this.#entries.get(key);
    return entry && (entry.dir ? 'dir' : 'file');
  }

  read(key: string): Uint8Array {
    const entry = this.#entries.get(key);
    if (entry === undefined) throw new Error(`ENOENT: no such file or directory, open '/${key}'`);
    if (entry.dir) throw new Error(`EISDIR: illegal operation on a directory, read '/${key}'`);
    return entry.data;
  }

  write(key: string, data: Uint8Array, append: boolean): void {
    this.#parent(key);
    const before = this.#entries.get(key);
    if (key === '' || before?.dir) throw new Error(`EISDIR: illegal operation on a directory, open '/${key}'`);
    const old = append && before ? before.data : new Uint8Array();
    const all = new Uint8Array(old.length + data.length);
    all.set(old);
    all.set(data, old.length);
    this.#entries.set(key, fileEntry(key, all, before?.mode));
  }

  list(key: string): readonly string[] {
    if (this.kind(key) !== 'dir') throw new Error(`ENOENT: no such directory, scandir '/${key}'`);
    const prefix = key === '' ? '' : `${key}/`;
    const inside = [...this.#entries.keys()].filter((one) => one.startsWith(prefix) && one !== key);
    return inside
      .map((one) => one.slice(prefix.length))
      .filter((one) => !one.includes('/'))
      .sort();
  }

  mkdir(key: string, recursive: boolean): void {
    if (recursive) {
      const parts = key.split('/');
      parts.forEach((_, at) => {
        const path = parts.slice(0, at + 1).join('/');
        if (this.kind(path) === 'file') throw new Error(`ENOTDIR: not a directory, mkdir '/${path}'`);
        if (this.kind(path) === undefined) this.#entries.set(path, dirEntry(path));
      });
      return;
    }
    this.#parent(key);
    if (this.kind(key) !== undefined) throw new Error(`EEXIST: file already exists, mkdir '/${key}'`);
    this.#entries.set(key, dirEntry(key));
  }

  remove(key: string, recursive: boolean): void {
    if (key === '' || this.kind(key) === undefined) throw new Error(`ENOENT: no such file or directory, rm '/${key}'`);
    const inside = [...this.#entries.keys()].filter((one) => one.startsWith(`${key}/`));
    if (inside.length > 0 && !recursive) throw new Error(`ENOTEMPTY: directory not empty, rm '/${key}'`);
    for (const one of [key, ...inside]) this.#entries.delete(one);
  }

  #parent(key: string): void {
    const parent = key.split('/').slice(0, -1).join('/');
    if (this.kind(parent) !== 'dir') throw new Error(`ENOENT: no such file or directory, open '/${key}'`);
  }
}
