import { Worker } from 'node:worker_threads';
import { ArcError, type ErrorCode } from '../contract/errors.ts';
import type { ConnectionOptions } from './connection.ts';
import type { Batch, Outcome } from './writer.ts';

/** To the thread: a batch to write, or that it is to end. */
export type ToWriter = Batch | 'close';

export type FromWriter =
  | { readonly kind: 'written'; readonly outcomes: readonly SentOutcome[] }
  /** It could not open the database, or has failed altogether. */
  | { readonly kind: 'failed'; readonly error: SentError };

/** An error as it goes from thread to thread. */
export interface SentError {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly hint: string;
  readonly extra: Readonly<Record<string, unknown>>;
}

export type SentOutcome =
  | { readonly revisions: readonly number[]; readonly error?: undefined }
  | { readonly error: SentError };

/** Whoever writes batches: in this thread and at once, or in one of its own. */
export interface BatchWriter {
  write(batch: Batch): readonly Outcome[] | Promise<readonly Outcome[]>;
  close(): void | Promise<void>;
}

/**
 * Writes in a thread of its own, so that nobody else waits for the disk: neither at a commit nor when the log is written
 * back. One batch at a time; what is asked for meanwhile is the next one. A thread that failed is started again.
 */
export class WriteThread implements BatchWriter {
  readonly #options: ConnectionOptions;
  #worker: Worker | undefined;
  #waiting: { resolve(outcomes: readonly Outcome[]): void; reject(error: unknown): void } | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#worker = this.#start();
  }

  write(batch: Batch): Promise<readonly Outcome[]> {
    this.#worker ??= this.#start();
    const { promise, resolve, reject } = Promise.withResolvers<readonly Outcome[]>();
    this.#waiting = { resolve, reject };
    // While nothing is being written it keeps nobody's process alive.
    this.#worker.ref();
    this.#worker.postMessage(batch satisfies ToWriter);
    return promise;
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (!worker) return;
    worker.ref();
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    worker.postMessage('close' satisfies ToWriter);
    await ended;
  }

  #start(): Worker {
    const worker = new Worker(new URL('./write-worker.ts', import.meta.url), { workerData: this.#options });
    worker.unref();
    worker.on('message', (message: FromWriter) => {
      worker.unref();
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (message.kind === 'failed') waiting?.reject(received(message.error));
      else waiting?.resolve(message.outcomes.map((one) => (one.error ? { error: received(one.error) } : one)));
    });
    worker.on('error', (cause) => this.#lost(worker, cause));
    worker.on('exit', () => this.#lost(worker, new Error('it ended')));
    return worker;
  }

  #lost(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#waiting?.reject(new ArcError('internal', 'store: the thread that writes has failed', { cause }));
    this.#waiting = undefined;
  }
}

function received({ code, detail, hint, extra }: SentError): ArcError {
  return new ArcError(code, detail, { hint, extra });
}
