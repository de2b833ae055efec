import { parentPort, workerData } from 'node:worker_threads';
import { type ArcError, asArcError } from '../contract/errors.ts';
import type { ConnectionOptions } from './connection.ts';
import type { FromWriter, SentError, ToWriter } from './write-thread.ts';
import { Writer } from './writer.ts';

/** The other side of `WriteThread`. The log is written back only after the answer is on its way. */
const sent = ({ code, message, hint, extra }: ArcError): SentError => ({ code, detail: message, hint, extra });
const tell = (message: FromWriter) => parentPort?.postMessage(message);

let writer: Writer | undefined;
parentPort?.on('message', (message: ToWriter) => {
  if (message === 'close') {
    writer?.close();
    parentPort?.close();
    return;
  }
  try {
    writer ??= new Writer(workerData as ConnectionOptions);
    const outcomes = writer.write(message);
    tell({ kind: 'written', outcomes: outcomes.map((one) => (one.error ? { error: sent(one.error) } : one)) });
    writer.tidy();
  } catch (error) {
    tell({ kind: 'failed', error: sent(asArcError(error)) });
  }
});
