/** Bytes of programs in JSON: text where they are UTF-8, base64 where they are not. */
export interface EncodedChunk {
  readonly data: string;
  readonly encoding: 'utf8' | 'base64';
}

export function encodeChunk(data: Uint8Array): EncodedChunk {
  try {
    return { data: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data), encoding: 'utf8' };
  } catch {
    return { data: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'), encoding: 'base64' };
  }
}

/** How many bytes at the end are the beginning of a character whose rest has not come yet: 0–3. */
export function unfinishedTail(data: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, data.length); back += 1) {
    const byte = data[data.length - back] ?? 0;
    if ((byte & 0b1100_0000) === 0b1000_0000) continue;
    const length = byte >= 0xf0 && byte <= 0xf4 ? 4 : byte >= 0xe0 ? (byte < 0xf0 ? 3 : 1) : byte >= 0xc2 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

/** Keeps characters whole that a read has cut in two, so that text stays text. */
export class ChunkEncoder {
  #held: Uint8Array = new Uint8Array(0);

  push(data: Uint8Array): EncodedChunk | undefined {
    const all = this.#held.length === 0 ? data : Buffer.concat([this.#held, data]);
    const tail = unfinishedTail(all);
    this.#held = all.slice(all.length - tail);
    return all.length === tail ? undefined : encodeChunk(all.subarray(0, all.length - tail));
  }

  end(): EncodedChunk | undefined {
    const rest = this.#held;
    this.#held = new Uint8Array(0);
    return rest.length === 0 ? undefined : encodeChunk(rest);
  }
}
