/**
 * The wire between this process and the first program of a machine, over one virtio-serial port; `native/guest/mux.h` is its
 * other end and says why it is so. A frame: 12 bytes of header, at most 32 KiB of payload. Whoever holds the machine may
 * send anything: what is no frame is skipped, and nothing grows.
 */
export const HEADER_BYTES = 12;
export const PAYLOAD_BYTES_MAX = 32_768;
/** What one side may send on a stream before the other has taken some of it. */
export const WINDOW_BYTES = 262_144;
export const STREAMS_MAX = 256;
const MAGIC = 0xa7;

export const KIND = { hello: 1, welcome: 2, open: 3, data: 4, credit: 5, end: 6 } as const;

export interface Frame {
  readonly kind: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function encodeFrame(kind: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES + payload.length);
  frame.writeUInt8(MAGIC, 0);
  frame.writeUInt8(kind, 1);
  frame.writeUInt16LE(stream, 2);
  frame.writeUInt32LE(payload.length, 4);
  frame.set(payload, HEADER_BYTES);
  frame.writeUInt32LE(check(frame), 8);
  return frame;
}

/** FNV-1a over the header without the check itself, and the payload. */
function check(frame: Buffer): number {
  let hash = 2_166_136_261;
  for (let at = 0; at < frame.length; at += 1) {
    if (at < 8 || at >= HEADER_BYTES) hash = Math.imul(hash ^ (frame[at] ?? 0), 16_777_619) >>> 0;
  }
  return hash >>> 0;
}

/** Finds frames in what comes; holds less than one frame. */
export class FrameReader {
  #held: Buffer = Buffer.alloc(0);

  push(bytes: Buffer): readonly Frame[] {
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    const frames: Frame[] = [];
    let at = 0;
    while (at < all.length) {
      const start = all.indexOf(MAGIC, at);
      at = start < 0 ? all.length : start;
      if (all.length - at < HEADER_BYTES) break;
      const length = all.readUInt32LE(at + 4);
      if (length > PAYLOAD_BYTES_MAX) {
        at += 1;
        continue;
      }
      if (all.length - at < HEADER_BYTES + length) break;
      const frame = all.subarray(at, at + HEADER_BYTES + length);
      if (check(frame) !== frame.readUInt32LE(8)) {
        at += 1;
        continue;
      }
      at += frame.length;
      frames.push({ kind: frame.readUInt8(1), stream: frame.readUInt16LE(2), payload: frame.subarray(HEADER_BYTES) });
    }
    this.#held = Buffer.from(all.subarray(at));
    return frames;
  }
}
