import type { ExecResult } from '../../../contract/schemas/exec.ts';
import type { ExecStream } from '../../../engines/engine.ts';
import { EXEC_OUTPUT_BYTES_MAX } from '../limits.ts';
import { NDJSON } from '../stream/respond.ts';
import { ChunkEncoder, encodeChunk, unfinishedTail } from '../stream/text.ts';

/** All output, up to the bound of each stream, once the command has ended. */
export async function collect(stream: ExecStream, signal: AbortSignal): Promise<ExecResult> {
  const kept = { stdout: new Kept(), stderr: new Kept() };
  for await (const chunk of untilAborted(stream.output, signal)) kept[chunk.stream].add(chunk.data);
  const exit = await stream.exit;
  const parts = { stdout: kept.stdout.bytes(), stderr: kept.stderr.bytes() };
  const encoded = { stdout: encodeChunk(parts.stdout), stderr: encodeChunk(parts.stderr) };
  const asText = encoded.stdout.encoding === 'utf8' && encoded.stderr.encoding === 'utf8';
  return {
    id: stream.id,
    code: exit.code,
    signal: exit.signal,
    timedOut: exit.timedOut,
    stdout: asText ? encoded.stdout.data : parts.stdout.toString('base64'),
    stderr: asText ? encoded.stderr.data : parts.stderr.toString('base64'),
    encoding: asText ? 'utf8' : 'base64',
    truncated: kept.stdout.cut || kept.stderr.cut,
  };
}

/** Output as it comes, one JSON document a line; the last line says how it ended. */
export async function* lines(stream: ExecStream, signal: AbortSignal): AsyncGenerator<string> {
  const encoders = { stdout: new ChunkEncoder(), stderr: new ChunkEncoder() };
  for await (const chunk of untilAborted(stream.output, signal)) {
    const encoded = encoders[chunk.stream].push(chunk.data);
    if (encoded !== undefined) yield NDJSON.encode({ stream: chunk.stream, ...encoded });
  }
  for (const name of ['stdout', 'stderr'] as const) {
    const rest = encoders[name].end();
    if (rest !== undefined) yield NDJSON.encode({ stream: name, ...rest });
  }
  const { timedOut, ...exit } = await stream.exit;
  yield NDJSON.encode({ exit: { ...exit, at: new Date(exit.at).toISOString() }, timedOut, id: stream.id });
}

/** Stops waiting for a source that has nothing to say once the signal aborts. */
export async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => {});
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = iterator.next();
      next.catch(() => {});
      const result = await Promise.race([next, aborted.promise]);
      if (result.done) return;
      yield result.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Not awaited: a generator that waits for something else would hold us here.
    iterator.return?.()?.then(
      () => {},
      () => {},
    );
  }
}

class Kept {
  readonly #chunks: Uint8Array[] = [];
  #size = 0;
  cut = false;

  add(data: Uint8Array): void {
    const room = EXEC_OUTPUT_BYTES_MAX - this.#size;
    if (data.length > room) this.cut = true;
    if (room <= 0) return;
    this.#chunks.push(data.subarray(0, room));
    this.#size += Math.min(room, data.length);
  }

  bytes(): Buffer {
    const all = Buffer.concat(this.#chunks);
    // A cut in the middle of a character must not turn a megabyte of text into base64.
    return this.cut ? all.subarray(0, all.length - unfinishedTail(all)) : all;
  }
}
