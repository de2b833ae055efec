import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readSync, statfsSync, statSync } from 'node:fs';
import { type Readable, Transform, type TransformCallback } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { type Extract, extract, type Header } from 'tar-stream';
import { ArcError } from '../../contract/errors.ts';
import { type EntryMeta, LayerWriter } from './layer-writer.ts';
import { type ByteString, fromText, refuse, show } from './tar-names.ts';

/** Unpacks one tar into one folder. Runs in a worker: its calls are synchronous, and a server has other things to do. */

export interface UnpackLimits {
  /** Bytes of the tar once decompressed. */
  readonly bytesMax: number;
  readonly entriesMax: number;
  /** Times that a compressed archive may grow, past `RATIO_FREE_BYTES`. */
  readonly ratioMax: number;
  /** Bytes left free on the disk, for the database and everything else. */
  readonly reserveBytes: number;
}

export interface UnpackResult {
  /** Of the uncompressed tar, which is what images call a layer's diff id. */
  readonly diffId: string;
  readonly bytes: number;
  readonly entries: number;
  /** What was left out and why, the first few. */
  readonly notes: readonly string[];
}

/** One entry with its bytes, as tar-stream gives it. */
type Entry = Extract extends AsyncIterable<infer Item> ? Item : never;

export type Marks = ReturnType<LayerWriter['marks']>;

const RATIO_FREE_BYTES = 64 * 1024 * 1024;
const FREE_CHECK_BYTES = 32 * 1024 * 1024;
const NOTES_MAX = 20;
/** The largest window that zstd takes without being asked: 128 MiB. */
const ZSTD_WINDOW_LOG_MAX = 27;
/** Names as bytes. The option is missing in the package's types. */
const EXTRACT_OPTIONS: object = { filenameEncoding: 'latin1' };

export async function unpackFile(
  file: string,
  into: string,
  limits: UnpackLimits,
  applyMarks: (marks: Marks) => Promise<void>,
): Promise<UnpackResult> {
  const compressed = statSync(file).size;
  const decompressor = decompressorFor(file);
  const source = createReadStream(file, { highWaterMark: 256 * 1024 });
  const bytesMax = Math.min(limits.bytesMax, Math.max(RATIO_FREE_BYTES, compressed * limits.ratioMax));
  if (!decompressor) return unpackStream(source, into, limits, applyMarks);
  source.once('error', (cause) => decompressor.destroy(cause));
  return unpackStream(source.pipe(decompressor), into, { ...limits, bytesMax }, applyMarks);
}

/** By the first bytes, as media types and file names are often wrong. `undefined`: a plain tar. */
function decompressorFor(file: string): Transform | undefined {
  const head = Buffer.alloc(6);
  const fd = openSync(file, 'r');
  readSync(fd, head, 0, head.byteLength, 0);
  closeSync(fd);
  const starts = (...bytes: number[]) => bytes.every((byte, index) => head[index] === byte);
  if (starts(0x1f, 0x8b)) return createGunzip({ chunkSize: 256 * 1024 });
  if (starts(0x28, 0xb5, 0x2f, 0xfd))
    return createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX } });
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a) || starts(0x42, 0x5a, 0x68)) {
    throw refuse('xz and bzip2 are not read; use gzip, zstd or a plain tar');
  }
  return undefined;
}

export async function unpackStream(
  tar: Readable,
  into: string,
  limits: UnpackLimits,
  applyMarks: (marks: Marks) => Promise<void>,
): Promise<UnpackResult> {
  const hash = createHash('sha256');
  const meter = new Meter(into, limits);
  const parser = extract(EXTRACT_OPTIONS);
  const tap = new Transform({
    transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback) {
      try {
        meter.add(chunk.byteLength);
      } catch (cause) {
        callback(cause as Error);
        return;
      }
      hash.update(chunk);
      callback(null, chunk);
    },
  });
  tar.once('error', (cause) => tap.destroy(asError(damaged(cause))));
  tap.once('error', (cause) => parser.destroy(cause));
  tar.pipe(tap).pipe(parser as unknown as NodeJS.WritableStream);

  const writer = new LayerWriter(into);
  const notes: string[] = [];
  let entries = 0;
  try {
    for await (const entry of parser) {
      entries += 1;
      if (entries > limits.entriesMax) throw refuse(`more than ${limits.entriesMax} entries`);
      const note = await addEntry(writer, entry);
      if (note !== undefined && notes.length < NOTES_MAX) notes.push(note);
      entry.resume();
    }
  } catch (cause) {
    throw damaged(cause);
  } finally {
    tar.destroy();
    tap.destroy();
  }
  await applyMarks(writer.marks());
  writer.finish();
  return { diffId: `sha256:${hash.digest('hex')}`, bytes: meter.total, entries, notes };
}

/** Errors of the readers are faults of the archive; errors of the file system (they have a `syscall`) are not. */
function damaged(cause: unknown): unknown {
  if (cause instanceof ArcError || !(cause instanceof Error) || 'syscall' in cause) return cause;
  return new ArcError('archive_refused', `the archive is damaged: ${cause.message}`, { cause });
}

const asError = (cause: unknown): Error => (cause instanceof Error ? cause : new Error(String(cause)));

class Meter {
  total = 0;
  #checked = -FREE_CHECK_BYTES;
  readonly #into: string;
  readonly #limits: UnpackLimits;

  constructor(into: string, limits: UnpackLimits) {
    this.#into = into;
    this.#limits = limits;
  }

  add(bytes: number): void {
    this.total += bytes;
    if (this.total > this.#limits.bytesMax) throw refuse(`it unpacks to more than ${this.#limits.bytesMax} bytes`);
    if (this.total - this.#checked < FREE_CHECK_BYTES) return;
    this.#checked = this.total;
    const disk = statfsSync(this.#into);
    if (disk.bavail * disk.bsize < this.#limits.reserveBytes + FREE_CHECK_BYTES) {
      throw new ArcError('disk_full', `less than ${this.#limits.reserveBytes} bytes would be left free`);
    }
  }
}

/** Gives a note when the entry was left out. */
async function addEntry(writer: LayerWriter, entry: Entry): Promise<string | undefined> {
  const { header } = entry;
  const pax = (header.pax ?? {}) as Readonly<Record<string, string>>;
  const name: ByteString = pax.path ? fromText(pax.path) : header.name;
  if (Object.keys(pax).some((key) => key.startsWith('GNU.sparse.')))
    throw refuse(`${show(name)} is sparse; make the tar without --sparse`);
  const special = addSpecialName(writer, name);
  if (special !== undefined) return special || undefined;

  const meta = metaOf(header, pax);
  const link = (): ByteString => (pax.linkpath ? fromText(pax.linkpath) : ((header.linkname as string | null) ?? ''));
  switch (header.type as string | null) {
    case 'directory':
      writer.addDirectory(name, meta);
      return undefined;
    case 'file':
    case 'contiguous-file':
      await copy(writer.addFile(name, meta), entry);
      return undefined;
    case 'symlink':
      writer.addSymlink(name, link(), meta);
      return undefined;
    case 'link':
      writer.addHardlink(name, link());
      return undefined;
    case 'fifo':
      return `${show(name)}: a fifo`;
    case 'character-device':
    case 'block-device':
      // Root filesystems bring a few in /dev, where the sandbox has its own; anywhere else somebody means to reach one.
      if (/^(\.\/)?dev\//.test(name)) return `${show(name)}: a device`;
      throw refuse(`${show(name)} is a device`);
    default:
      throw refuse(`${show(name)} is of a kind that is not known (sparse files are not read)`);
  }
}

/** Whiteouts and the marks of aufs. `undefined`: an ordinary name. */
function addSpecialName(writer: LayerWriter, name: ByteString): string | undefined {
  if (!name.includes('.wh.')) return undefined;
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  const base = parts.pop() ?? '';
  if (parts.some((part) => part.startsWith('.wh.') && !part.startsWith('.wh..wh.'))) {
    throw refuse(`${show(name)} lies beneath a whiteout`);
  }
  if (base === '.wh..wh..opq') writer.addOpaque(name);
  else if (base.startsWith('.wh..wh.') || parts.some((part) => part.startsWith('.wh.')))
    return `${show(name)}: a mark of aufs`;
  else if (base.startsWith('.wh.')) writer.addWhiteout(name, base.slice(4));
  else return undefined;
  return '';
}

function metaOf(header: Header, pax: Readonly<Record<string, string>>): EntryMeta {
  return {
    mode: header.mode,
    uid: pax.uid === undefined ? header.uid : Number(pax.uid),
    gid: pax.gid === undefined ? header.gid : Number(pax.gid),
    mtime: pax.mtime === undefined ? header.mtime.getTime() / 1000 : Number(pax.mtime),
  };
}

async function copy(file: ReturnType<LayerWriter['addFile']>, entry: Entry): Promise<void> {
  try {
    for await (const chunk of entry) file.write(chunk as Uint8Array);
  } catch (cause) {
    file.abort();
    throw cause;
  }
  file.end();
}
