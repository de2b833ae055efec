import type { TreeEntry } from '../order.ts';

/** Folders at the top that belong to the engine and not to the sandbox. */
export const ENGINES_OWN: ReadonlySet<string> = new Set(['dev', 'proc', 'lib', 'sys', 'arc']);

/** Folders that are always there. */
export const FOLDERS: readonly string[] = ['root', 'tmp', 'home', 'srv'];

export const FILE_MODE = 0o644;
export const DIR_MODE = 0o755;

export function fileEntry(path: string, data: Uint8Array, mode = FILE_MODE): TreeEntry {
  return { path, dir: false, mode: mode & 0o777, data };
}

export function dirEntry(path: string, mode = DIR_MODE): TreeEntry {
  return { path, dir: true, mode: mode & 0o777, data: new Uint8Array() };
}
