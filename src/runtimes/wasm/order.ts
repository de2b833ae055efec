/** What the runtime and a worker say to each other. Nothing here knows Node: workers read it too. */

export const ENGINES = ['python', 'js', 'wasi'] as const;
export type EngineName = (typeof ENGINES)[number];

/** One entry of a sandbox's files, with a path from its root, such as `root/a.txt`. */
export interface TreeEntry {
  readonly path: string;
  readonly dir: boolean;
  /** Permission bits. */
  readonly mode: number;
  readonly data: Uint8Array;
}

/** One run of one program. A worker does one, and ends. */
export interface WorkerOrder {
  /** As the program sees it, its own name first. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** That a WebAssembly memory may grow by. */
  readonly memoryBytes: number;
  /** That its files may be in all. */
  readonly diskBytes: number;
  readonly files: readonly TreeEntry[];
}

/** What a worker says once, at its end: how the program ended, and all files there were then. */
export interface WorkerReport {
  readonly code: number;
  /** The program wanted more memory than it may have. */
  readonly oom: boolean;
  readonly files: readonly TreeEntry[];
}

/** What stands before the bytes of all files in a message. */
interface Head {
  readonly entries: readonly {
    readonly path: string;
    readonly dir: boolean;
    readonly mode: number;
    readonly size: number;
  }[];
  readonly rest: Readonly<Record<string, unknown>>;
}

/** A length of four bytes, the head as JSON, and the bytes of the files one after the other. */
export function encodeMessage(files: readonly TreeEntry[], rest: Readonly<Record<string, unknown>>): Uint8Array {
  const head: Head = {
    entries: files.map(({ path, dir, mode, data }) => ({ path, dir, mode, size: data.length })),
    rest,
  };
  const text = new TextEncoder().encode(JSON.stringify(head));
  const total = files.reduce((sum, { data }) => sum + data.length, PREFIX_BYTES + text.length);
  const message = new Uint8Array(total);
  const view = new DataView(message.buffer);
  view.setUint32(0, total - PREFIX_BYTES, true);
  view.setUint32(4, text.length, true);
  message.set(text, PREFIX_BYTES);
  let at = PREFIX_BYTES + text.length;
  for (const { data } of files) {
    message.set(data, at);
    at += data.length;
  }
  return message;
}

/** Before the head: the length of all that follows, and that of the head. */
export const PREFIX_BYTES = 8;

export function messageLengths(prefix: Uint8Array): { readonly total: number; readonly head: number } {
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  return { total: view.getUint32(0, true), head: view.getUint32(4, true) };
}

/** Throws on anything that does not add up: what a worker says is not believed. */
export function decodeMessage(
  body: Uint8Array,
  headLength: number,
): { readonly files: readonly TreeEntry[]; readonly rest: Readonly<Record<string, unknown>> } {
  const { entries, rest } = JSON.parse(
    new TextDecoder('utf-8', { fatal: true }).decode(body.subarray(0, headLength)),
  ) as Head;
  let at = headLength;
  const files = entries.map(({ path, dir, mode, size }): TreeEntry => {
    const sound = typeof path === 'string' && typeof dir === 'boolean' && Number.isSafeInteger(size) && size >= 0;
    if (!sound || !Number.isSafeInteger(mode) || at + size > body.length)
      throw new Error('a message that does not add up');
    at += size;
    return { path, dir, mode: mode & 0o777, data: body.subarray(at - size, at) };
  });
  return { files, rest };
}
