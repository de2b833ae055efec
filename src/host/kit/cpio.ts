/** What goes into the first root of a machine. */
export interface CpioEntry {
  /** Relative, its parents listed before it. */
  readonly path: string;
  /** With the bits of its type, as in stat. */
  readonly mode: number;
  readonly data?: Uint8Array;
}

const TRAILER = 'TRAILER!!!';

/** An archive in the `newc` form that the kernel unpacks by itself; all of it owned by root, without times. */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const parts = [...entries, { path: TRAILER, mode: 0 }].flatMap((entry, index) => member(entry, index + 1));
  return Buffer.concat(parts);
}

function member({ path, mode, data = new Uint8Array() }: CpioEntry, inode: number): readonly Uint8Array[] {
  const name = Buffer.from(`${path}\0`);
  const numbers = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
  const head = Buffer.from(`070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`);
  return [head, name, padding(head.length + name.length), data, padding(data.length)];
}

const padding = (length: number): Uint8Array => new Uint8Array(-length & 3);
