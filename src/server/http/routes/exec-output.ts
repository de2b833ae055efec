import type { ExecResult } from '../../../contract/schemas/exec.ts';
import type { ExecStream } from '../../../engines/engine.ts';
import type { Use } from '../../service.ts';
import { EXEC_OUTPUT_BYTES_MAX } from '../limits.ts';
import { orAborted, untilAborted } from '../stream/abort.ts';
import { NDJSON } from '../stream/respond.ts';
import { ChunkEncoder, encodeChunk, unfinishedTail } from '../stream/text.ts';

/** All output, up to the bound of each stream, once the command has ended. */
export async function collect(stream: ExecStream, signal: AbortSignal): Promise<ExecResult> {
  const kept = { stdout: new Kept(), stderr: new Kept() };
  for await (const chunk of untilAborted(stream.output, signal)) kept[chunk.stream].add(chunk.data);
  const exit = await orAborted(stream.exit, signal);
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
  const { timedOut, ...exit } = await orAborted(stream.exit, signal);
  yield NDJSON.encode({ exit: { ...exit, at: new Date(exit.at).toISOString() }, timedOut, id: stream.id });
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

/** The same stream; whatever the program says counts as use of its sandbox. */
export function touching(stream: ExecStream, use: Use): ExecStream {
  const output = async function* () {
    for await (const chunk of stream.output) {
      use.touch();
      yield chunk;
    }
  };
  return new Proxy(stream, {
    get(target, name) {
      if (name === 'output') return output();
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
