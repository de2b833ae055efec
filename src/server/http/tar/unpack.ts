import { type Extract, extract, type Header } from 'tar-stream';
import { ArcError } from '../../../contract/errors.ts';
import type { FileSession } from '../../../engines/engine.ts';
import { ARCHIVE_BYTES_MAX, ARCHIVE_ENTRIES_MAX } from '../limits.ts';
import { joinPath } from '../routes/sandbox-path.ts';
import { drained } from '../stream/drained.ts';
import { ArchiveLinks, entryPath, refuseEntry } from './names.ts';

type Entry = Extract extends AsyncIterable<infer T> ? T : never;

export interface Unpacked {
  readonly entries: number;
  readonly bytes: number;
}

/** Unpacks a stranger's archive below `folder`, entry by entry as it arrives. */
export async function unpackTar(
  session: FileSession,
  folder: string,
  source: AsyncIterable<Uint8Array>,
): Promise<Unpacked> {
  const archive = extract();
  archive.on('error', () => {});
  const fed = feed(archive, source);
  const unpacking = new Unpacking(session, folder);
  try {
    for await (const entry of archive) await unpacking.take(entry);
  } catch (error) {
    archive.destroy();
    const { sourceError } = await fed;
    if (sourceError !== undefined) throw sourceError;
    if (error instanceof ArcError) throw error;
    throw refuseEntry(error instanceof Error ? error.message : 'it can not be read', error);
  }
  const { sourceError } = await fed;
  if (sourceError !== undefined) throw sourceError;
  return unpacking.result;
}

/** Hands the source to the extractor; never rejects, so that whoever fails first is the one that is told. */
async function feed(archive: Extract, source: AsyncIterable<Uint8Array>): Promise<{ sourceError?: unknown }> {
  try {
    for await (const chunk of source) {
      if (archive.destroyed) return {};
      if (archive.write(chunk)) continue;
      await drained(archive);
    }
    archive.end(null);
    return {};
  } catch (sourceError) {
    archive.destroy(sourceError instanceof Error ? sourceError : new Error(String(sourceError)));
    return { sourceError };
  }
}

class Unpacking {
  readonly #session: FileSession;
  readonly #folder: string;
  readonly #links = new ArchiveLinks();
  #entries = 0;
  #bytes = 0;
  /** Archives come folder by folder: remembering the last one saves most of the asking. */
  #lastFolder = '';

  constructor(session: FileSession, folder: string) {
    this.#session = session;
    this.#folder = folder;
  }

  get result(): Unpacked {
    return { entries: this.#entries, bytes: this.#bytes };
  }

  async take(entry: Entry): Promise<void> {
    const { header } = entry;
    this.#entries += 1;
    if (this.#entries > ARCHIVE_ENTRIES_MAX) throw refuseEntry(`more than ${ARCHIVE_ENTRIES_MAX} entries`);
    const path = entryPath(header.name, this.#folder);
    this.#links.refuseThrough(path, header.name);
    if (header.type === 'file' || header.type === 'contiguous-file') return await this.#file(entry, path);
    entry.resume();
    // The folder itself, which is there already.
    if (path === '' && header.type === 'directory') return;
    if (path === '') throw refuseEntry(`"." is a ${header.type ?? 'thing of an unknown kind'}`);
    if (header.type === 'directory') return await this.#directory(path, header);
    if (header.type === 'symlink') return await this.#symlink(path, header);
    if (header.type === 'link') return await this.#hardLink(path, header);
    throw refuseEntry(`${header.name} is a ${header.type ?? 'thing of an unknown kind'}`);
  }

  async #file(entry: Entry, path: string): Promise<void> {
    if (path === '') throw refuseEntry('an entry has no name');
    const { header } = entry;
    if (isSparse(header)) throw refuseEntry(`${header.name} is a sparse file, which is not supported`);
    await this.#parents(path);
    await this.#replaceLink(path);
    await this.#session.write(
      joinPath(this.#folder, path),
      this.#counted(entry as AsyncIterable<Uint8Array>),
      modeOf(header, 0o644),
    );
  }

  async #directory(path: string, header: Header): Promise<void> {
    await this.#parents(path);
    await this.#replaceLink(path);
    await this.#session.mkdir(joinPath(this.#folder, path), modeOf(header, 0o755));
  }

  async #symlink(path: string, header: Header): Promise<void> {
    const target = header.linkname ?? '';
    this.#links.add(path, target);
    await this.#parents(path);
    const at = joinPath(this.#folder, path);
    // Only what is no folder gives way to a link.
    const held = await this.#session.stat(at, false).catch(ifMissing);
    if (held !== undefined && held.type === 'dir') throw refuseEntry(`${header.name} would replace a folder`);
    if (held !== undefined) await this.#session.remove(at, false);
    await this.#session.symlink(target, at);
  }

  /** A second name of an earlier entry is unpacked as a copy of it. */
  async #hardLink(path: string, header: Header): Promise<void> {
    const target = entryPath(header.linkname ?? '', this.#folder);
    this.#links.refuseThrough(target, header.name);
    if (target === '' || target === path || this.#links.has(target))
      throw refuseEntry(`${header.name} links to no file`);
    const from = joinPath(this.#folder, target);
    const stat = await this.#session.stat(from, false);
    if (stat.type !== 'file') throw refuseEntry(`${header.name} links to no file`);
    await this.#parents(path);
    await this.#replaceLink(path);
    await this.#session.write(joinPath(this.#folder, path), this.#counted(this.#session.read(from)), stat.mode);
  }

  async *#counted(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.#bytes += chunk.length;
      if (this.#bytes > ARCHIVE_BYTES_MAX) throw refuseEntry(`more than ${ARCHIVE_BYTES_MAX} bytes`);
      yield chunk;
    }
  }

  async #parents(path: string): Promise<void> {
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    if (parent === this.#lastFolder) return;
    let at = this.#folder;
    for (const part of parent.split('/')) {
      if (part === '') continue;
      at = joinPath(at, part);
      await this.#session.mkdir(at, 0o755);
    }
    this.#lastFolder = parent;
  }

  /** A later entry of the name of an earlier link replaces the link, and is not written through it. */
  async #replaceLink(path: string): Promise<void> {
    if (!this.#links.has(path)) return;
    await this.#session.remove(joinPath(this.#folder, path), false);
    this.#links.delete(path);
  }
}

function isSparse(header: Header): boolean {
  const pax = 'pax' in header ? header.pax : undefined;
  return typeof pax === 'object' && pax !== null && Object.keys(pax).some((key) => key.startsWith('GNU.sparse'));
}

function modeOf(header: Header, usual: number): number {
  return header.mode === undefined || Number.isNaN(header.mode) ? usual : header.mode & 0o7777;
}

function ifMissing(error: unknown): undefined {
  if (error instanceof ArcError && error.code === 'file_not_found') return undefined;
  throw error;
}
