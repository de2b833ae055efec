import { constants, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadPyodide, type PyodideConfig } from 'pyodide';
import type { TreeEntry } from '../order.ts';
import { readSome, writeAll } from './channel.ts';
import type { Engine } from './engine.ts';
import { sealable } from './seal.ts';
import { DIR_MODE, dirEntry, ENGINES_OWN, FILE_MODE, FOLDERS, fileEntry } from './tree.ts';

const PROLOGUE = join(import.meta.dirname, 'main.py');
const READ_BYTES = 65_536;

type PyodideGlobals = NonNullable<NonNullable<Parameters<Pyodide['runPython']>[1]>['globals']>;
type Pyodide = Awaited<ReturnType<typeof loadPyodide>>;
/** What is used of Emscripten's file system. */
interface Fs {
  readdir(path: string): string[];
  stat(path: string): { readonly mode: number };
  isDir(mode: number): boolean;
  isFile(mode: number): boolean;
  chmod(path: string, mode: number): void;
  mkdirTree(path: string): void;
  rmdir(path: string): void;
  readFile(path: string): Uint8Array;
  writeFile(path: string, data: Uint8Array | string): void;
  lstat(path: string): { readonly mode: number };
}

/** Options that Pyodide has and does not document: a memory that has been saved, and the wish to save one. */
type Saving = { readonly _loadSnapshot?: Uint8Array; readonly _makeSnapshot?: boolean };

/** CPython, by Pyodide. A saved memory spares most of its start. */
export async function python(snapshot: string | undefined): Promise<Engine> {
  const seal = sealable();
  // Emscripten asks for numbers by a way that a process without rights has not.
  Object.assign(process, { binding: () => ({ fs: constants }) });
  const saved = snapshot === undefined ? {} : { _loadSnapshot: readFileSync(snapshot) };
  const pyodide = await loadPyodide({ ...bare(), ...saved });
  // In a module of its own: the program's is emptied for it.
  const own = pyodide.toPy({ __name__: 'arc' }) as PyodideGlobals;
  const prologue = pyodide.runPython(
    `${readFileSync(PROLOGUE, 'utf8')}
_arc_main`,
    { globals: own },
  ) as () => number;
  const fs = pyodide.FS as unknown as Fs;
  rehearse(pyodide, prologue);
  return async ({ argv, env, cwd, files }) => {
    streams(pyodide);
    fs.rmdir('/home/web_user');
    for (const folder of [...FOLDERS, 'arc']) fs.mkdirTree(`/${folder}`);
    putFiles(fs, files);
    fs.writeFile('/arc/order.json', JSON.stringify({ argv, env, cwd }));
    seal();
    const code = prologue();
    return { code, files: takeFiles(fs) };
  };
}

/** Runs a program that prints nothing, so that what every program needs has been compiled before one comes. */
function rehearse({ FS, setStdout, setStderr }: Pyodide, prologue: () => number): void {
  const fs = FS as unknown as Fs;
  for (const set of [setStdout, setStderr]) set({ write: (data: Uint8Array) => data.length });
  fs.mkdirTree('/arc');
  const argv = ['python3', '-c', 'import sys; print(6 * 7, flush=True); sys.stderr.flush()'];
  fs.writeFile('/arc/order.json', JSON.stringify({ argv, env: {}, cwd: '/' }));
  prologue();
}

/** Starts Python once, as far as every start goes, and saves its memory. */
export async function saveMemory(path: string): Promise<void> {
  const pyodide = await loadPyodide({ ...bare(), _makeSnapshot: true } as PyodideConfig & Saving);
  pyodide.runPython(
    'import asyncio, code, io, json, os, re, runpy, selectors, sys, time, traceback, typing, random, math',
  );
  const { makeMemorySnapshot } = pyodide as Pyodide & { makeMemorySnapshot(): Uint8Array };
  writeFileSync(path, makeMemorySnapshot.call(pyodide));
}

/** Python sees no object of JavaScript under the name `js`, and nothing of this process in its environment. */
function bare(): PyodideConfig & Saving {
  return { jsglobals: Object.create(null) as object, env: { HOME: '/root' }, args: [] };
}

function streams(pyodide: Pyodide): void {
  let waiting: Uint8Array | undefined;
  pyodide.setStdin({
    read: (into: Uint8Array) => {
      waiting ??= readSome(0, READ_BYTES);
      if (waiting === undefined) return 0;
      const some = waiting.subarray(0, into.length);
      waiting = some.length === waiting.length ? undefined : waiting.subarray(some.length);
      into.set(some);
      return some.length;
    },
  } as Parameters<Pyodide['setStdin']>[0]);
  const to = (fd: number) => ({
    write: (data: Uint8Array) => {
      writeAll(fd, data);
      return data.length;
    },
  });
  pyodide.setStdout(to(1));
  pyodide.setStderr(to(2));
}

function putFiles(fs: Fs, files: readonly TreeEntry[]): void {
  for (const { path, dir, mode, data } of files) {
    if (dir) fs.mkdirTree(`/${path}`);
    else fs.writeFile(`/${path}`, data);
    fs.chmod(`/${path}`, mode);
  }
}

/** Files and folders; links and devices are of the engine and end with it. */
function takeFiles(fs: Fs): TreeEntry[] {
  const found: TreeEntry[] = [];
  const walk = (folder: string): void => {
    for (const name of fs.readdir(`/${folder}`)) {
      const path = folder === '' ? name : `${folder}/${name}`;
      if (name === '.' || name === '..' || ENGINES_OWN.has(path)) continue;
      const { mode } = fs.lstat(`/${path}`);
      if (fs.isDir(mode)) {
        found.push(dirEntry(path, mode | (DIR_MODE & 0o700)));
        walk(path);
      } else if (fs.isFile(mode)) found.push(fileEntry(path, fs.readFile(`/${path}`), mode | (FILE_MODE & 0o600)));
    }
  };
  walk('');
  return found;
}
