/** A record of the journal, as the helper writes it (`native/PROTOCOL.md`). */
export const RECORD_BYTES = 48;
export const RECORD_DATA_BYTES_MAX = 65_536;
const MAGIC = 0x4a435241;

const STREAMS = ['stdout', 'stderr', 'arc'] as const;

export interface RecordHeader {
  readonly length: number;
  readonly seq: number;
  /** ms since the epoch, with a fraction. */
  readonly time: number;
  /** Bytes of all output before this record, kept or not. */
  readonly offset: number;
  /** Bytes lost just before this record, for want of space on the disk, or since they came too fast. */
  readonly dropped: number;
  readonly stream: (typeof STREAMS)[number];
}

/** The header at `at`, or undefined where no sound one is (yet). */
export function readHeader(bytes: Buffer, at: number): RecordHeader | undefined {
  if (bytes.length - at < RECORD_BYTES || bytes.readUInt32LE(at) !== MAGIC) return undefined;
  const length = bytes.readUInt32LE(at + 4);
  const stream = STREAMS[bytes.readUInt32LE(at + 40) - 1];
  if (length > RECORD_DATA_BYTES_MAX || stream === undefined) return undefined;
  if (bytes.readUInt32LE(at + 44) !== checksum(bytes, at)) return undefined;
  return {
    length,
    seq: Number(bytes.readBigUInt64LE(at + 8)),
    time: Number(bytes.readBigUInt64LE(at + 16)) / 1e6,
    offset: Number(bytes.readBigUInt64LE(at + 24)),
    dropped: Number(bytes.readBigUInt64LE(at + 32)),
    stream,
  };
}

/** FNV-1a over the header before the checksum. */
function checksum(bytes: Buffer, at: number): number {
  let hash = 2_166_136_261;
  for (let i = at; i < at + RECORD_BYTES - 4; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), 16_777_619);
  return hash >>> 0;
}

/** A whole record. */
export function encodeRecord(header: Omit<RecordHeader, 'length'>, data: Uint8Array): Buffer {
  const record = Buffer.alloc(RECORD_BYTES + data.length);
  record.writeUInt32LE(MAGIC, 0);
  record.writeUInt32LE(data.length, 4);
  record.writeBigUInt64LE(BigInt(header.seq), 8);
  record.writeBigUInt64LE(BigInt(Math.round(header.time * 1000)) * 1000n, 16);
  record.writeBigUInt64LE(BigInt(header.offset), 24);
  record.writeBigUInt64LE(BigInt(header.dropped), 32);
  record.writeUInt32LE(STREAMS.indexOf(header.stream) + 1, 40);
  record.writeUInt32LE(checksum(record, 0), 44);
  record.set(data, RECORD_BYTES);
  return record;
}
