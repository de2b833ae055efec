import { ArcError } from '../contract/errors.ts';
import type { FileEntry } from '../contract/schemas/exec.ts';
import type { Context } from './context.ts';

export type Content = string | Uint8Array | Blob | AsyncIterable<Uint8Array>;

/** The files of one sandbox. Every path is absolute and resolves inside of it. */
export class Files {
  readonly #context: Context;
  readonly #path: string;

  constructor(context: Context, sandbox: string) {
    this.#context = context;
    this.#path = `/v1/sandboxes/${encodeURIComponent(sandbox)}/files`;
  }

  /** Content in chunks, as it arrives. */
  read(path: string, options: { readonly signal?: AbortSignal } = {}): AsyncIterable<Uint8Array> {
    return this.#context.http.bytes('GET', this.#path, { query: { path }, signal: options.signal });
  }

  async readText(path: string, options: { readonly signal?: AbortSignal } = {}): Promise<string> {
    const decoder = new TextDecoder();
    let text = '';
    for await (const chunk of this.read(path, options)) text += decoder.decode(chunk, { stream: true });
    return text + decoder.decode();
  }

  /** Replaces an existing file. `mode` are permission bits such as 0o644. */
  async write(
    path: string,
    content: Content,
    options: { readonly mode?: number; readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    const mode = options.mode === undefined ? undefined : octal(options.mode);
    await this.#context.http.json('PUT', this.#path, {
      query: { path, mode },
      content: typeof content === 'string' ? new TextEncoder().encode(content) : content,
      signal: options.signal,
    });
  }

  async list(path: string): Promise<readonly FileEntry[]> {
    const answer = await this.#context.http.json<{ items: FileEntry[] }>('GET', `${this.#path}/list`, {
      query: { path },
    });
    return answer.items;
  }

  /** What is at a path; a link is given as a link. */
  async stat(path: string): Promise<FileEntry> {
    return this.#context.http.json<FileEntry>('GET', `${this.#path}/stat`, { query: { path } });
  }

  /** What a path leads to, links followed. */
  async resolve(
    path: string,
  ): Promise<{ readonly type: FileEntry['type']; readonly size: number; readonly mode: number }> {
    const response = await this.#context.http.send('HEAD', this.#path, { query: { path } }).catch(async (error) => {
      // An answer to HEAD has no body to say why: what can be said of the path itself says it better.
      const { type } = await this.stat(path);
      if (type !== 'symlink') throw error;
      throw new ArcError('file_refused', `${path} is a link that leads nowhere inside the sandbox`, { cause: error });
    });
    await response.cancel();
    return {
      type: (response.header('arc-file-type') ?? 'other') as FileEntry['type'],
      size: Number(response.header('arc-file-size') ?? 0),
      mode: Number.parseInt(response.header('arc-file-mode') ?? '0', 8),
    };
  }

  /** Resolves to whether it was made now. `parents`: make what is missing above it too. */
  async makeFolder(
    path: string,
    options: { readonly mode?: number; readonly parents?: boolean } = {},
  ): Promise<boolean> {
    const mode = options.mode === undefined ? undefined : octal(options.mode);
    const query = { path, mode, parents: options.parents };
    const response = await this.#context.http.send('POST', this.#path, { query });
    await response.cancel();
    return response.status === 201;
  }

  /** Folders with all they hold when `recursive`. */
  async remove(path: string, options: { readonly recursive?: boolean } = {}): Promise<void> {
    await this.#context.http.json('DELETE', this.#path, { query: { path, recursive: options.recursive } });
  }

  /** A folder with all it holds, as a tar. */
  readTar(path: string, options: { readonly signal?: AbortSignal } = {}): AsyncIterable<Uint8Array> {
    return this.#context.http.bytes('GET', `${this.#path}/tar`, { query: { path }, signal: options.signal });
  }

  /** Unpacks a tar into the folder `path`, which is made where it is missing. */
  async writeTar(
    path: string,
    tar: AsyncIterable<Uint8Array> | Uint8Array,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    await this.#context.http.json('PUT', `${this.#path}/tar`, {
      query: { path },
      content: tar,
      headers: { 'content-type': 'application/x-tar' },
      signal: options.signal,
    });
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
