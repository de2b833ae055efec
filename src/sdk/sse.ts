import { readLines } from './ndjson.ts';

export interface SseMessage {
  readonly event: string;
  readonly data: string;
  readonly id?: string;
}

/** Server-sent events, as the WHATWG text says; comments keep the connection alive and are left out. */
export async function* readSse(body: AsyncIterable<Uint8Array>): AsyncGenerator<SseMessage, void, void> {
  let event = 'message';
  let data: string[] = [];
  let id: string | undefined;
  for await (const line of readLines(body)) {
    if (line === '') {
      if (data.length > 0) yield { event, data: data.join('\n'), ...(id === undefined ? {} : { id }) };
      event = 'message';
      data = [];
      continue;
    }
    const colon = line.indexOf(':');
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id') id = value;
  }
}
