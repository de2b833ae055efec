import { Buffer } from 'node:buffer';
import { readSync, writeSync } from 'node:fs';
import {
  decodeMessage,
  encodeMessage,
  messageLengths,
  PREFIX_BYTES,
  type WorkerOrder,
  type WorkerReport,
} from '../order.ts';

/** The descriptor that orders come by, and the report goes by. */
const CONTROL = 3;
/** ms that a full or empty pipe is waited for before it is tried again. */
const RETRY_MS = 2;
const pause = new Int32Array(new SharedArrayBuffer(4));
const self = process;
const { reallyExit } = self as unknown as { reallyExit(code: number): never };

/** Ends this process at once: nothing of Node's own runs any more. */
export function exit(code: number): never {
  return reallyExit.call(self, code);
}

export function sleep(ms: number): void {
  Atomics.wait(pause, 0, 0, ms);
}

/** `undefined` at the end. Waits. */
export function readSome(fd: number, most: number): Uint8Array | undefined {
  const buffer = Buffer.alloc(most);
  for (;;) {
    try {
      const count = readSync(fd, buffer, 0, most, null);
      return count === 0 ? undefined : buffer.subarray(0, count);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') return undefined;
      if (code !== 'EAGAIN') throw error;
      sleep(RETRY_MS);
    }
  }
}

/** Bytes of a program's output, so that whoever reads it knows when that was all. */
const written = { 1: 0, 2: 0 };

/** All of it, however long the reader takes. */
export function writeAll(fd: number, data: Uint8Array): void {
  if (fd in written) written[fd as 1 | 2] += data.length;
  for (let at = 0; at < data.length; ) {
    try {
      at += writeSync(fd, data, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Nobody is there to read any more: then nobody is there for the program.
      if (code === 'EPIPE') exit(141);
      if (code !== 'EAGAIN') throw error;
      sleep(RETRY_MS);
    }
  }
}

export function say(text: string): void {
  writeAll(2, Buffer.from(`${text}\n`));
}

function readExactly(count: number): Uint8Array {
  const bytes = Buffer.alloc(count);
  for (let at = 0; at < count; ) {
    const some = readSome(CONTROL, Math.min(count - at, 1 << 20));
    // The runtime is gone: nobody is there for whom to run anything.
    if (some === undefined) exit(0);
    bytes.set(some, at);
    at += some.length;
  }
  return bytes;
}

let order: WorkerOrder | undefined;

/** Says that the engine stands, and waits for what to run. */
export function awaitOrder(): WorkerOrder {
  writeAll(CONTROL, encodeMessage([], { ready: true }));
  const { total, head } = messageLengths(readExactly(PREFIX_BYTES));
  const { files, rest } = decodeMessage(readExactly(total), head);
  order = { ...(rest as unknown as Omit<WorkerOrder, 'files'>), files };
  return order;
}

/** The last words of this process. */
export function finish({ code, oom, files }: WorkerReport): never {
  const size = files.reduce((sum, { data }) => sum + data.length, 0);
  const most = order?.diskBytes ?? 0;
  const fits = size <= most;
  if (!fits) say(`arc: No space left: ${size} bytes of files, ${most} are allowed; nothing was kept`);
  const told = fits || code !== 0 ? code : 1;
  writeAll(
    CONTROL,
    encodeMessage(fits && !oom ? files : (order?.files ?? []), {
      code: told,
      oom,
      stdout: written[1],
      stderr: written[2],
    }),
  );
  return exit(told);
}
