import { request } from 'node:http';
import { connect } from 'node:net';
import type { ExecStream } from '../engines/engine.ts';

/** One try; a program that accepts and says nothing counts as not ready after this. */
const TRY_MS = 5_000;

/** `true` once the port accepts. */
export function portAnswers(address: string, port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, signal, timeout: TRY_MS });
    const end = (ready: boolean) => {
      socket.destroy();
      resolve(ready);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => (signal.aborted ? reject(signal.reason) : end(false)));
  });
}

/** `true` once GET answers 2xx or 3xx. */
export function httpAnswers(address: string, port: number, path: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: address, port, path, signal, timeout: TRY_MS, agent: false, headers: { 'user-agent': 'arc-ready' } },
      (response) => {
        const status = response.statusCode ?? 0;
        response.destroy();
        resolve(status >= 200 && status < 400);
      },
    );
    asked.once('timeout', () => asked.destroy());
    asked.once('error', () => (signal.aborted ? reject(signal.reason) : resolve(false)));
    asked.end();
  });
}

/** `true` when the command ended with 0. What it prints is thrown away. */
export async function commandSucceeds(stream: ExecStream, signal: AbortSignal): Promise<boolean> {
  const onAbort = () => {
    stream.signal('SIGKILL').catch(() => {}); // it may be over already
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    await stream.closeStdin().catch(() => {}); // a program that ended at once has no stdin any more
    for await (const _ of stream.output) signal.throwIfAborted();
    return (await stream.exit).code === 0;
  } finally {
    signal.removeEventListener('abort', onAbort);
    await stream[Symbol.asyncDispose]();
  }
}
