/** Decodes the legacy framing of LZ4, which Linux kernels are packed with: a magic number, then blocks of at most 8 MiB. */
const MAGIC = Buffer.from([0x02, 0x21, 0x4c, 0x18]);
const BLOCK_BYTES_MAX = 8 * 1024 * 1024;
const MATCH_MIN = 4;

/** Where a packed kernel begins in `image`, or -1. */
export function lz4Start(image: Buffer): number {
  return image.indexOf(MAGIC);
}

/** All blocks from `start` on, until one that can't be a block. Throws RangeError for what is cut off or corrupt. */
export function unpackLz4(image: Buffer, start: number): Buffer {
  const blocks: Buffer[] = [];
  for (let at = start + MAGIC.length; at + 4 <= image.length; ) {
    const size = image.readUInt32LE(at);
    if (size === 0 || size > BLOCK_BYTES_MAX || at + 4 + size > image.length) break;
    const block = unpackBlock(image.subarray(at + 4, at + 4 + size));
    blocks.push(block);
    at += 4 + size;
    if (block.length < BLOCK_BYTES_MAX) break;
  }
  return Buffer.concat(blocks);
}

function unpackBlock(from: Buffer): Buffer {
  const to = Buffer.allocUnsafe(BLOCK_BYTES_MAX);
  let read = 0;
  let written = 0;
  const next = (): number => {
    const byte = from[read++];
    if (byte === undefined) throw new RangeError('an LZ4 block is cut off');
    return byte;
  };
  const length = (nibble: number): number => {
    let sum = nibble;
    if (nibble === 15) for (let more = 255; more === 255; sum += more) more = next();
    return sum;
  };
  while (read < from.length) {
    const token = next();
    const literals = length(token >> 4);
    if (read + literals > from.length || written + literals > to.length) throw new RangeError('corrupt LZ4 block');
    from.copy(to, written, read, read + literals);
    read += literals;
    written += literals;
    if (read >= from.length) break;
    const distance = next() | (next() << 8);
    const match = length(token & 15) + MATCH_MIN;
    if (distance === 0 || distance > written || written + match > to.length) throw new RangeError('corrupt LZ4 block');
    copyMatch(to, written, distance, match);
    written += match;
  }
  return to.subarray(0, written);
}

/** A match may reach into what it is itself writing: then it repeats. */
function copyMatch(to: Buffer, at: number, distance: number, length: number): void {
  for (let done = 0; done < length; ) {
    const part = Math.min(distance + done, length - done);
    to.copy(to, at + done, at - distance, at - distance + part);
    done += part;
  }
}
