import { Worker } from 'node:worker_threads';
import { ArcError, type ErrorCode } from '../../contract/errors.ts';
import type { Marks, UnpackLimits, UnpackResult } from './unpack-tar.ts';

export interface UnpackJob {
  readonly source: { readonly kind: 'file' | 'folder'; readonly path: string };
  /** An empty folder that is nobody else's. */
  readonly into: string;
  readonly limits: UnpackLimits;
}

export type FromWorker =
  | { readonly kind: 'marks'; readonly marks: Marks }
  | { readonly kind: 'done'; readonly result: UnpackResult }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly detail: string };

/** Room for the names of a million folders; an archive that needs more is refused, and the server does not feel it. */
const WORKER_HEAP_MIB = 512;

/**
 * Unpacks in a thread of its own: thousands of small synchronous calls are quick there, and neither they nor a hostile
 * archive's appetite for memory can hold up the server.
 */
export async function unpack(
  job: UnpackJob,
  applyMarks: (marks: Marks) => Promise<void>,
  signal: AbortSignal,
): Promise<UnpackResult> {
  signal.throwIfAborted();
  const worker = new Worker(new URL('./unpack-worker.ts', import.meta.url), {
    workerData: job,
    resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MIB },
  });
  const { promise, resolve, reject } = Promise.withResolvers<UnpackResult>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  worker.on('error', (cause: NodeJS.ErrnoException) =>
    reject(
      cause.code === 'ERR_WORKER_OUT_OF_MEMORY'
        ? new ArcError('archive_refused', 'it takes too much memory to read', { cause })
        : cause,
    ),
  );
  worker.on('exit', (code) => reject(new ArcError('internal', `the unpacking thread ended early (${code})`)));
  worker.on('message', (message: FromWorker) => {
    if (message.kind === 'done') resolve(message.result);
    else if (message.kind === 'failed') reject(new ArcError(message.code, message.detail));
    else applyMarks(message.marks).then(() => worker.postMessage('marked'), reject);
  });
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Waits for the thread's end, so that nothing writes any more when the caller removes the folder.
    await worker.terminate();
  }
}
