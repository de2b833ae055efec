import type { Socket } from 'node:net';

/** `OK`, a number of ten digits and an end of line. */
const ANSWER_BYTES_MAX = 32;

/**
 * Asks the monitor for a port of the machine, as Firecracker wants it: `CONNECT 1`, answered by `OK` and a number. False
 * when it hangs up instead: nobody listens there yet. What comes behind the answer stays in the socket.
 */
export async function callsPort(socket: Socket, port: number, signal: AbortSignal): Promise<boolean> {
  socket.write(`CONNECT ${port}\n`);
  let answer = '';
  while (!answer.endsWith('\n') && answer.length < ANSWER_BYTES_MAX) {
    const byte: unknown = socket.read(1);
    if (Buffer.isBuffer(byte)) answer += byte.toString('latin1');
    else if (socket.readableEnded || socket.destroyed) return false;
    else if (!(await readable(socket, signal))) return false;
  }
  return /^OK [0-9]+\n$/.test(answer);
}

/** False when it has ended. */
function readable(socket: Socket, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const off = new AbortController();
  const on = (event: string, said: () => void) => {
    socket.on(event, said);
    off.signal.addEventListener('abort', () => socket.off(event, said));
  };
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { signal: off.signal });
  on('readable', () => resolve(true));
  for (const event of ['end', 'close', 'error']) on(event, () => resolve(false));
  if (signal.aborted) onAbort();
  return promise.finally(() => off.abort());
}
