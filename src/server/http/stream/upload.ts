import type { IncomingMessage } from 'node:http';
import { ArcError } from '../../../contract/errors.ts';
import type { Clock } from '../../../kit/clock.ts';
import { LINGER_BYTES_MAX, LINGER_MS, UPLOAD_IDLE_MS_MAX } from '../limits.ts';

/**
 * A request's body chunk by chunk, never gathered. Throws when the client goes away or falls silent, so that half an
 * upload never passes for a whole one.
 */
export async function* uploaded(raw: IncomingMessage, clock: Clock): AsyncGenerator<Buffer> {
  // Leaving the loop early must not cut the connection: an answer is still to be sent on it.
  const chunks = raw.iterator({ destroyOnReturn: false });
  try {
    for (;;) {
      const silent = Promise.withResolvers<never>();
      const cancel = clock.after(UPLOAD_IDLE_MS_MAX, () =>
        silent.reject(new ArcError('request_timeout', `nothing was sent for ${UPLOAD_IDLE_MS_MAX / 1_000}s`)),
      );
      const next = chunks.next();
      next.catch(() => {});
      const result = await Promise.race([next, silent.promise]).finally(cancel);
      if (result.done) break;
      yield result.value as Buffer;
    }
    if (!raw.complete) throw new Error('the client went away');
  } finally {
    chunks.return?.().catch(() => {});
  }
}

/**
 * Reads on for a moment what the client is still sending after its upload was refused: an answer on a connection that is
 * closed with unread data is often lost.
 */
export async function linger(raw: IncomingMessage, clock: Clock): Promise<void> {
  if (raw.complete || raw.destroyed) return;
  await new Promise<void>((resolve) => {
    let read = 0;
    const cancel = clock.after(LINGER_MS, done);
    function done() {
      cancel();
      raw.off('data', onData);
      raw.off('end', done);
      raw.off('close', done);
      raw.pause();
      resolve();
    }
    function onData(chunk: Buffer) {
      read += chunk.length;
      if (read > LINGER_BYTES_MAX) done();
    }
    raw.on('data', onData);
    raw.once('end', done);
    raw.once('close', done);
    raw.resume();
  });
}
