import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/**
 * What a program needs to be loaded, read from its file. `ldd` would run the program's loader, and binutils need not be
 * installed; the few tables in question are simple.
 */
export interface ElfNeeds {
  readonly interpreter?: string;
  readonly libraries: readonly string[];
  /** Where it looks first, `$ORIGIN` not yet replaced. */
  readonly searchPath: readonly string[];
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1n;
const DT_STRTAB = 5n;
const DT_STRSZ = 10n;
const DT_RPATH = 15n;
const DT_RUNPATH = 29n;
const HEADERS_MAX = 64;
const DYNAMIC_BYTES_MAX = 64 * 1024;
const STRINGS_BYTES_MAX = 4 * 1024 * 1024;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: bigint;
  readonly size: number;
}

/** `undefined` for what is not a 64-bit little-endian ELF file (a script, data). */
export function readElf(path: string): ElfNeeds | undefined {
  const fd = openSync(path, 'r');
  try {
    const fileSize = fstatSync(fd).size;
    const read = (offset: number, size: number): Buffer => {
      const bytes = Buffer.alloc(Math.max(0, Math.min(size, fileSize - offset)));
      readSync(fd, bytes, 0, bytes.length, offset);
      return bytes;
    };
    const head = read(0, 64);
    if (head.length < 64 || head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2 || head[5] !== 1) return undefined;
    const segments = readSegments(read, head);
    const interp = segments.find(({ type }) => type === PT_INTERP);
    const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
    const interpreter = interp && cString(read(interp.offset, interp.size), 0);
    const found = dynamic ? readDynamic(read, segments, dynamic) : { libraries: [], searchPath: [] };
    return { ...found, ...(interpreter ? { interpreter } : {}) };
  } finally {
    closeSync(fd);
  }
}

type Read = (offset: number, size: number) => Buffer;

function readSegments(read: Read, head: Buffer): Segment[] {
  const size = head.readUInt16LE(54);
  const count = Math.min(head.readUInt16LE(56), HEADERS_MAX);
  const table = read(Number(head.readBigUInt64LE(32)), size * count);
  const segments: Segment[] = [];
  for (let at = 0; size >= 56 && at + size <= table.length; at += size) {
    segments.push({
      type: table.readUInt32LE(at),
      offset: Number(table.readBigUInt64LE(at + 8)),
      address: table.readBigUInt64LE(at + 16),
      size: Number(table.readBigUInt64LE(at + 32)),
    });
  }
  return segments;
}

function readDynamic(read: Read, segments: readonly Segment[], dynamic: Segment): Omit<ElfNeeds, 'interpreter'> {
  const table = read(dynamic.offset, Math.min(dynamic.size, DYNAMIC_BYTES_MAX));
  const entries: [bigint, bigint][] = [];
  for (let at = 0; at + 16 <= table.length; at += 16) {
    entries.push([table.readBigInt64LE(at), table.readBigUInt64LE(at + 8)]);
  }
  const value = (tag: bigint) => entries.find(([key]) => key === tag)?.[1];
  const address = value(DT_STRTAB) ?? 0n;
  const home = segments.find(
    (segment) =>
      segment.type === PT_LOAD && address >= segment.address && address < segment.address + BigInt(segment.size),
  );
  if (!home) return { libraries: [], searchPath: [] };
  const size = Math.min(Number(value(DT_STRSZ) ?? 0n), STRINGS_BYTES_MAX);
  const strings = read(home.offset + Number(address - home.address), size);
  const named = (tag: bigint) =>
    entries.filter(([key]) => key === tag).map(([, offset]) => cString(strings, Number(offset)));
  const path = named(DT_RUNPATH)[0] ?? named(DT_RPATH)[0] ?? '';
  return { libraries: named(DT_NEEDED), searchPath: path.split(':').filter((part) => part !== '') };
}

function cString(bytes: Buffer, start: number): string {
  const end = bytes.indexOf(0, start);
  return bytes.toString('latin1', start, end === -1 ? bytes.length : end);
}
