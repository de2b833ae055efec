import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type ElfNeeds, readElf } from './elf.ts';

export type PlanEntry =
  | {
      readonly kind: 'file';
      readonly from: string;
      readonly mode: number;
      readonly size: number;
      readonly mtimeMs: number;
    }
  | { readonly kind: 'text'; readonly text: string; readonly mode: number }
  | { readonly kind: 'link'; readonly to: string }
  | { readonly kind: 'directory'; readonly mode: number; readonly uid: number };

/** Where the loader of the C library looks by itself, without a cache, for this kind of machine. */
const TRIPLETS: Record<string, string> = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };
const LIBRARY_DIRS = [
  `/lib/${TRIPLETS[process.arch] ?? ''}`,
  `/usr/lib/${TRIPLETS[process.arch] ?? ''}`,
  '/lib64',
  '/usr/lib64',
  '/lib',
  '/usr/lib',
];
const PROGRAM_DIRS = ['/usr/bin', '/bin', '/usr/sbin', '/sbin'];
const LOADABLE = /\.(so|node)(\.[0-9.]+)?$/;
const ENTRIES_MAX = 60_000;

/**
 * What a part of a builtin root is to hold, by the path inside. Paths are those of a system where `/bin` and `/lib` are
 * links into `/usr`, whatever the machine's own habit. What a part below already has is not taken again.
 */
export class RootPlan {
  readonly entries = new Map<string, PlanEntry>();
  readonly #below: RootPlan | undefined;
  readonly #elf = new Map<string, readonly string[] | undefined>();

  constructor(below?: RootPlan) {
    this.#below = below;
  }

  has(path: string): boolean {
    return this.entries.has(path) || (this.#below?.has(path) ?? false);
  }

  #set(path: string, entry: PlanEntry): void {
    if (this.has(path)) return;
    if (this.entries.size >= ENTRIES_MAX) throw new Error(`a builtin root of more than ${ENTRIES_MAX} files`);
    this.entries.set(path, entry);
  }

  directory(path: string, mode = 0o755, uid = 0): void {
    this.#set(path, { kind: 'directory', mode, uid });
  }

  text(path: string, text: string, mode = 0o644): void {
    this.#set(path, { kind: 'text', text, mode });
  }

  link(path: string, to: string): void {
    this.#set(path, { kind: 'link', to });
  }

  /** A file of the machine, at the same place inside or at another; with the libraries it needs. False: it can't be had. */
  file(from: string, at = inside(from)): boolean {
    if (!existsSync(from)) return false;
    const real = realpathSync(from);
    const stat = statSync(real);
    if (!stat.isFile()) return false;
    const needs = this.#needs(real, new Set());
    if (needs === undefined) return false;
    for (const path of [real, ...needs]) if (path !== real || at === inside(from)) this.#take(path);
    if (at !== inside(from)) this.#takeAs(real, at);
    else if (at !== inside(real)) this.link(at, inside(real));
    return true;
  }

  /** By name, from the machine's own folders: what an operator has in /usr/local or a home is not for strangers. */
  program(name: string): boolean {
    return PROGRAM_DIRS.some((dir) => this.file(join(dir, name)));
  }

  /** By the name that programs ask for. */
  library(name: string): boolean {
    const path = findLibrary(name, '', undefined);
    return path !== undefined && this.file(path);
  }

  /**
   * All of a folder but what `leaveOut` names. Links stay links where they stay inside; those that lead out become what
   * they point at.
   */
  tree(from: string, at: string, leaveOut: (name: string, path: string) => boolean, top = from): void {
    this.directory(at);
    for (const name of readdirSync(from).sort()) {
      const path = join(from, name);
      if (leaveOut(name, path)) continue;
      const stat = lstatSync(path);
      if (stat.isDirectory()) this.tree(path, join(at, name), leaveOut, top);
      else if (stat.isFile()) this.#treeFile(path, join(at, name), stat);
      else if (stat.isSymbolicLink()) this.#treeLink(path, join(at, name), leaveOut, top);
    }
  }

  /** Most files of a tree are text; only what can be loaded is looked into. One whose libraries are missing is left out. */
  #treeFile(path: string, at: string, stat: Stats): void {
    if ((stat.mode & 0o111) !== 0 || LOADABLE.test(path)) this.file(path, at);
    else this.#setFile(path, at, stat);
  }

  #treeLink(path: string, at: string, leaveOut: (name: string, path: string) => boolean, top: string): void {
    const target = readlinkSync(path);
    if (!target.startsWith('/') && resolve(dirname(path), target).startsWith(`${top}/`)) {
      this.link(at, target);
      return;
    }
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isFile()) this.#takeAs(realpathSync(path), at);
    // A folder that holds this tree would be taken without end; its own entries bound any other.
    else if (stat?.isDirectory() && !`${top}/`.startsWith(`${realpathSync(path)}/`)) {
      this.tree(realpathSync(path), at, leaveOut);
    }
  }

  #take(path: string): void {
    const real = realpathSync(path);
    this.#takeAs(real, inside(real));
    if (inside(path) !== inside(real)) this.link(inside(path), inside(real));
  }

  #takeAs(real: string, at: string): void {
    this.#setFile(real, at, statSync(real));
  }

  #setFile(from: string, at: string, stat: Stats): void {
    // Set-uid bits stay behind: nothing inside may gain from them, and they have no business in a data folder.
    this.#set(at, { kind: 'file', from, mode: stat.mode & 0o755, size: stat.size, mtimeMs: stat.mtimeMs });
  }

  /** Paths of all libraries and loaders, or `undefined` when one is missing. */
  #needs(file: string, open: Set<string>): readonly string[] | undefined {
    const known = this.#elf.get(file);
    if (known !== undefined || this.#elf.has(file) || open.has(file)) return known ?? [];
    open.add(file);
    const elf = readElf(file);
    const found = new Set<string>();
    for (const name of elf ? [...elf.libraries, ...(elf.interpreter ? [elf.interpreter] : [])] : []) {
      const path = findLibrary(name, file, elf);
      const further = path && this.#needs(realpathSync(path), open);
      if (path === undefined || further === undefined) {
        this.#elf.set(file, undefined);
        return undefined;
      }
      found.add(path);
      for (const one of further) found.add(one);
    }
    this.#elf.set(file, [...found]);
    return [...found];
  }

  /** The same machine gives the same key, and a program that was upgraded gives another. */
  key(): string {
    const hash = createHash('sha256').update('root-plan 1\n');
    for (const [path, entry] of [...this.entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
      hash.update(`${JSON.stringify([path, entry])}\n`);
    }
    return hash.digest('hex').slice(0, 16);
  }
}

function findLibrary(name: string, user: string, elf: ElfNeeds | undefined): string | undefined {
  if (name.startsWith('/')) return existsSync(name) ? name : undefined;
  const own = (elf?.searchPath ?? []).map((dir) => dir.replace(/\$ORIGIN|\$\{ORIGIN\}/g, dirname(user)));
  for (const dir of [...own, ...LIBRARY_DIRS]) {
    const path = join(dir, name);
    if (existsSync(path)) return path;
  }
  return undefined;
}

/** `/lib64/x` → `/usr/lib64/x`. */
function inside(path: string): string {
  return path.replace(/^\/(bin|sbin|lib|lib64)\//, '/usr/$1/');
}
