/**
 * The wire of the node helper, as `native/PROTOCOL.md` describes it: frames of a 12-byte header and a bounded payload;
 * a payload is raw bytes or fields, each `key=value` and a NUL.
 */
export const PROTOCOL_VERSION = 1;
export const HEADER_BYTES = 12;
export const FRAME_BYTES_MAX = 1_048_576;
/** Largest piece of content in one frame. */
export const CHUNK_BYTES = 65_536;

export const MESSAGE = {
  hello: 1,
  start: 2,
  stop: 3,
  destroy: 4,
  list: 5,
  signal: 6,
  subscribe: 7,
  exec: 8,
  attach: 9,
  execs: 10,
  signalExec: 11,
  resizeExec: 12,
  files: 13,
  layerMarks: 14,
  quit: 15,
  ok: 64,
  error: 65,
  item: 66,
  exitEvent: 67,
  stdout: 80,
  stderr: 81,
  exit: 82,
  taken: 83,
  stdin: 84,
  stdinClose: 85,
  stat: 96,
  dir: 97,
  read: 98,
  write: 99,
  mkdir: 100,
  symlink: 101,
  remove: 102,
  data: 103,
  end: 104,
  continue: 105,
} as const;

export interface Frame {
  readonly type: number;
  readonly id: number;
  readonly payload: Buffer;
}

export type Field = readonly [key: string, value: string | number];

export class WireError extends Error {
  override readonly name = 'WireError';
}

export function encodeFrame(type: number, id: number, payload: Uint8Array = new Uint8Array()): Buffer {
  if (payload.byteLength > FRAME_BYTES_MAX) throw new WireError(`a frame of ${payload.byteLength} bytes is too large`);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.byteLength);
  frame.writeUInt32LE(payload.byteLength, 0);
  frame.writeUInt16LE(type, 4);
  frame.writeUInt16LE(0, 6);
  frame.writeUInt32LE(id, 8);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

export function encodeFields(fields: readonly Field[]): Buffer {
  let text = '';
  for (const [key, value] of fields) {
    const shown = String(value);
    if (shown.includes('\0')) throw new WireError(`the value of ${key} holds a NUL`);
    text += `${key}=${shown}\0`;
  }
  return Buffer.from(text);
}

/** The fields of a payload. A key may come more than once. */
export class Fields {
  readonly #all: readonly (readonly [string, string])[];

  constructor(payload: Buffer) {
    if (payload.length > 0 && payload[payload.length - 1] !== 0) throw new WireError('fields do not end with a NUL');
    const parts = payload.length === 0 ? [] : payload.toString('utf8', 0, payload.length - 1).split('\0');
    this.#all = parts.map((part) => {
      const cut = part.indexOf('=');
      if (cut < 1) throw new WireError('a field has no key');
      return [part.slice(0, cut), part.slice(cut + 1)];
    });
  }

  get(key: string): string | undefined {
    return this.#all.find(([name]) => name === key)?.[1];
  }

  all(key: string): string[] {
    return this.#all.filter(([name]) => name === key).map(([, value]) => value);
  }

  text(key: string): string {
    const value = this.get(key);
    if (value === undefined) throw new WireError(`the field ${key} is missing`);
    return value;
  }

  number(key: string): number {
    const value = Number(this.text(key));
    if (!Number.isFinite(value)) throw new WireError(`the field ${key} is not a number`);
    return value;
  }
}

/** Takes bytes as they come and gives whole frames. */
export class FrameReader {
  #held: Buffer = Buffer.alloc(0);

  push(bytes: Buffer): Frame[] {
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    const frames: Frame[] = [];
    let at = 0;
    while (this.#held.length - at >= HEADER_BYTES) {
      const length = this.#held.readUInt32LE(at);
      if (length > FRAME_BYTES_MAX || this.#held.readUInt16LE(at + 6) !== 0) throw new WireError('a malformed frame');
      const end = at + HEADER_BYTES + length;
      if (this.#held.length < end) break;
      frames.push({
        type: this.#held.readUInt16LE(at + 4),
        id: this.#held.readUInt32LE(at + 8),
        payload: this.#held.subarray(at + HEADER_BYTES, end),
      });
      at = end;
    }
    this.#held = this.#held.subarray(at);
    return frames;
  }
}
