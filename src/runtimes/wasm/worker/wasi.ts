import {
  wasi as codes,
  Directory,
  Fd,
  File,
  type Inode,
  PreopenDirectory,
  WASI,
  WASIProcExit,
} from '@bjorn3/browser_wasi_shim';
import type { TreeEntry } from '../order.ts';
import { exit, readSome, say, writeAll } from './channel.ts';
import type { Engine } from './engine.ts';
import { MemoryFiles } from './memory-files.ts';
import { dirEntry, ENGINES_OWN, FOLDERS, fileEntry } from './tree.ts';

/** Exit code of a program that its engine ended. */
const TRAPPED = 134;

/** Any command module of WASI preview 1, over the sandbox's files in memory. */
export async function wasi(): Promise<Engine> {
  const { compile, instantiate } = WebAssembly;
  return async ({ argv, env, cwd, files }) => {
    const root = new Map<string, Inode>();
    for (const entry of [...FOLDERS.map((name) => dirEntry(name)), ...files]) put(root, entry);
    const key = MemoryFiles.key(cwd, argv[0] ?? '');
    const program = files.find((one) => one.path === key);
    const shim = new WASI(
      [...argv],
      Object.entries(env).map(([name, value]) => `${name}=${value}`),
      [new Input(), new Output(1), new Output(2), new PreopenDirectory('/', root)],
      { debug: false },
    );
    const done = (code: number) => ({ code, files: taken(root) });
    try {
      const module = await compile(new Uint8Array(program?.data ?? []));
      const instance = await instantiate(module, { wasi_snapshot_preview1: shim.wasiImport });
      return done(shim.start(instance as Parameters<WASI['start']>[0]));
    } catch (error) {
      if (error instanceof WASIProcExit) return done(error.code & 255);
      say(`arc: ${argv[0]}: ${error instanceof Error ? error.message : 'it was ended'}`);
      return exit(TRAPPED);
    }
  };
}

class Input extends Fd {
  override fd_fdstat_get() {
    return { ret: 0, fdstat: new codes.Fdstat(codes.FILETYPE_CHARACTER_DEVICE, 0) };
  }
  override fd_read(size: number) {
    return { ret: 0, data: readSome(0, Math.max(1, Math.min(size, 1 << 16))) ?? new Uint8Array() };
  }
}

class Output extends Fd {
  readonly #fd: number;
  constructor(fd: number) {
    super();
    this.#fd = fd;
  }
  override fd_fdstat_get() {
    const fdstat = new codes.Fdstat(codes.FILETYPE_CHARACTER_DEVICE, 0);
    fdstat.fs_rights_base = BigInt(codes.RIGHTS_FD_WRITE);
    return { ret: 0, fdstat };
  }
  override fd_write(data: Uint8Array) {
    writeAll(this.#fd, data);
    return { ret: 0, nwritten: data.length };
  }
}

function put(root: Map<string, Inode>, { path, dir, data }: TreeEntry): void {
  const parts = path.split('/');
  const name = parts.pop() ?? '';
  let folder = root;
  for (const part of parts) {
    let next = folder.get(part);
    if (!(next instanceof Directory)) {
      next = new Directory(new Map());
      folder.set(part, next);
    }
    folder = (next as Directory).contents;
  }
  if (!dir) folder.set(name, new File(Uint8Array.from(data)));
  else if (!folder.has(name)) folder.set(name, new Directory(new Map()));
}

function taken(root: Map<string, Inode>): TreeEntry[] {
  const found: TreeEntry[] = [];
  const walk = (folder: Map<string, Inode>, prefix: string): void => {
    for (const [name, inode] of folder) {
      const path = `${prefix}${name}`;
      if (ENGINES_OWN.has(path)) continue;
      if (inode instanceof Directory) {
        found.push(dirEntry(path));
        walk(inode.contents, `${path}/`);
      } else if (inode instanceof File) found.push(fileEntry(path, inode.data));
    }
  };
  walk(root, '');
  return found;
}
