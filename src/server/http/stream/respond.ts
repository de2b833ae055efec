import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../../../kit/clock.ts';
import type { Logger } from '../../../kit/logger.ts';
import { problemFor } from '../guard/problems.ts';
import { HEARTBEAT_MS, SSE_RETRY_MS } from '../limits.ts';
import { drained } from './drained.ts';

/** Answers that go on: lines of JSON, server-sent events, content. A slow client slows the source and fills no memory. */

export interface StreamFormat {
  readonly contentType: string;
  /** Sent before anything else, so that the client knows at once that it is connected. */
  readonly opening?: string;
  readonly heartbeat?: string;
  encode(value: unknown, id?: number, event?: string): string;
}

export const NDJSON: StreamFormat = {
  contentType: 'application/x-ndjson',
  encode: (value) => `${JSON.stringify(value)}\n`,
};

export const SSE: StreamFormat = {
  contentType: 'text/event-stream',
  opening: `retry: ${SSE_RETRY_MS}\n\n`,
  heartbeat: ': still here\n\n',
  encode: (value, id, event) =>
    `${event === undefined ? '' : `event: ${event}\n`}${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(value)}\n\n`,
};

export interface StreamOptions {
  readonly format: StreamFormat;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Sends each text of `source`. An error in the middle becomes a last message, since the status is already sent. */
export async function streamTexts(
  request: FastifyRequest,
  reply: FastifyReply,
  source: AsyncIterable<string>,
  options: StreamOptions,
): Promise<void> {
  const { format, clock, log, signal } = options;
  const raw = begin(reply, {
    'content-type': format.contentType,
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  if (format.opening !== undefined) raw.write(format.opening);
  const stopBeating = format.heartbeat === undefined ? () => {} : beat(raw, format.heartbeat, clock);
  try {
    for await (const text of source) if (!(await push(raw, text))) break;
  } catch (error) {
    if (!signal.aborted) {
      const { problem } = problemFor(error, request.id, log);
      raw.write(format === SSE ? format.encode(problem, undefined, 'error') : format.encode({ error: problem }));
    }
  } finally {
    stopBeating();
    raw.end();
  }
}

/** Sends content whose length is not known. An error cuts the connection, so that half a file never looks whole. */
export async function streamContent(
  reply: FastifyReply,
  source: AsyncIterable<Uint8Array>,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const chunks = source[Symbol.asyncIterator]();
  // The first chunk is awaited before the headers go out: what can't be read at all is an honest error.
  let next = await chunks.next();
  const raw = begin(reply, headers);
  try {
    for (; !next.done; next = await chunks.next()) if (!(await push(raw, next.value))) break;
    raw.end();
  } catch {
    raw.destroy();
  } finally {
    await chunks.return?.();
  }
}

function begin(reply: FastifyReply, headers: Readonly<Record<string, string>>): ServerResponse {
  reply.hijack();
  const { raw } = reply;
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value);
  raw.writeHead(200, { ...headers });
  raw.flushHeaders();
  return raw;
}

/** @returns false once the client is gone. */
async function push(raw: ServerResponse, chunk: string | Uint8Array): Promise<boolean> {
  if (raw.destroyed || raw.writableEnded) return false;
  if (raw.write(chunk)) return true;
  await drained(raw);
  return !raw.destroyed;
}

function beat(raw: ServerResponse, text: string, clock: Clock): () => void {
  let cancel = () => {};
  const again = () => {
    if (raw.destroyed || raw.writableEnded) return;
    if (!raw.writableNeedDrain) raw.write(text);
    cancel = clock.after(HEARTBEAT_MS, again);
  };
  cancel = clock.after(HEARTBEAT_MS, again);
  return () => cancel();
}
