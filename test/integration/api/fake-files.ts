import { ArcError } from '../../../src/contract/errors.ts';
import type { FileSession, FileStat } from '../../../src/engines/engine.ts';

type Node =
  | { readonly type: 'dir'; readonly mode: number }
  | { readonly type: 'file'; readonly mode: number; readonly content: Buffer }
  | { readonly type: 'symlink'; readonly target: string }
  | { readonly type: 'other' };

/** A file system in a map from path to node; symlinks are followed only as the last part of a path. */
export class FakeFiles {
  readonly nodes = new Map<string, Node>([['/', { type: 'dir', mode: 0o755 }]]);
  sessions = 0;
  /** Bytes taken so far by a write that is under way. */
  taking = 0;
  /** Writes keep only the count, for uploads larger than memory should hold. */
  countOnly = false;
  /** Called after each listing, to change things behind its back. */
  onList = () => {};

  text(path: string): string | undefined {
    const node = this.nodes.get(path);
    return node?.type === 'file' ? node.content.toString() : undefined;
  }

  session(): FileSession {
    this.sessions += 1;
    return {
      stat: async (path, follow) => this.#stat(path, follow),
      list: async (path) => {
        if (this.#get(path).type !== 'dir') throw new ArcError('file_refused', `${path} is no folder`);
        const prefix = path === '/' ? '/' : `${path}/`;
        const names = [...this.nodes.keys()].filter(
          (key) => key !== '/' && key.startsWith(prefix) && !key.slice(prefix.length).includes('/'),
        );
        const stats = names.sort().map((key) => this.#stat(key, false));
        this.onList();
        return stats;
      },
      read: (path) => this.#read(path),
      write: async (path, content, mode) => {
        this.#parent(path);
        const chunks: Uint8Array[] = [];
        this.taking = 0;
        for await (const chunk of content) {
          this.taking += chunk.length;
          if (!this.countOnly) chunks.push(chunk.slice());
        }
        this.nodes.set(path, { type: 'file', mode, content: Buffer.concat(chunks) });
      },
      mkdir: async (path, mode) => {
        const held = this.nodes.get(path);
        if (held !== undefined && held.type !== 'dir') throw new ArcError('file_refused', `${path} is no folder`);
        this.#parent(path);
        if (held === undefined) this.nodes.set(path, { type: 'dir', mode });
        return held === undefined;
      },
      symlink: async (target, path) => {
        this.#parent(path);
        this.nodes.set(path, { type: 'symlink', target });
      },
      remove: async (path, recursive) => {
        this.#get(path);
        const inside = [...this.nodes.keys()].filter((key) => key.startsWith(`${path}/`));
        if (inside.length > 0 && !recursive) throw new ArcError('file_refused', `${path} is not empty`);
        for (const key of [path, ...inside]) this.nodes.delete(key);
      },
      [Symbol.asyncDispose]: async () => {
        this.sessions -= 1;
      },
    };
  }

  #get(path: string): Node {
    const node = this.nodes.get(path);
    if (node === undefined) throw new ArcError('file_not_found', `there is no ${path.slice(0, 100)}`);
    return node;
  }

  #parent(path: string): void {
    const parent = path.slice(0, path.lastIndexOf('/')) || '/';
    if (this.#get(parent).type !== 'dir') throw new ArcError('file_refused', `${parent} is no folder`);
  }

  #stat(path: string, follow: boolean): FileStat {
    const node = this.#get(path);
    if (node.type === 'symlink' && follow) return this.#stat(node.target, false);
    return {
      name: path.slice(path.lastIndexOf('/') + 1),
      type: node.type,
      size: node.type === 'file' ? node.content.length : 0,
      mode: 'mode' in node ? node.mode : 0o777,
      uid: 0,
      gid: 0,
      mtimeMs: 1_800_000_000_000,
      ...(node.type === 'symlink' ? { target: node.target } : {}),
    };
  }

  async *#read(path: string): AsyncGenerator<Uint8Array> {
    const node = this.#get(path);
    if (node.type !== 'file') throw new ArcError('file_refused', `${path} is no file`);
    for (let at = 0; at < node.content.length; at += 65_536) yield node.content.subarray(at, at + 65_536);
  }
}
