import { ArcError } from '../contract/errors.ts';

/** Longest line taken from a stream, bytes. The server's chunks are far below. */
export const LINE_BYTES_MAX = 16 * 1024 * 1024;

/** Lines of a byte stream, without their newline; an unfinished last line is given too. */
export async function* readLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  let held = '';
  for await (const chunk of body) {
    held += decoder.decode(chunk, { stream: true });
    let start = 0;
    for (let end = held.indexOf('\n', start); end >= 0; end = held.indexOf('\n', start)) {
      yield held.slice(start, held[end - 1] === '\r' ? end - 1 : end);
      start = end + 1;
    }
    held = held.slice(start);
    if (held.length > LINE_BYTES_MAX) throw new ArcError('internal', 'the server sent a line without an end');
  }
  held += decoder.decode();
  if (held !== '') yield held;
}

/** One JSON document a line; empty lines keep a connection alive and say nothing. */
export async function* readNdjson<T>(body: AsyncIterable<Uint8Array>): AsyncGenerator<T, void, void> {
  for await (const line of readLines(body)) {
    if (line !== '') yield JSON.parse(line) as T;
  }
}
