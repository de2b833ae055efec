import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The files of one journal: segments named by their first sequence number, and a list of those that were dropped. */
export interface Segment {
  readonly first: number;
  readonly path: string;
}

const NAME = /^(\d{20})\.seg$/;
const DROPPED_LINE_BYTES = 16;

/** Oldest first; undefined when there is no journal (yet, or any more). */
export async function listSegments(dir: string): Promise<readonly Segment[] | undefined> {
  try {
    const names = await readdir(dir);
    return names
      .flatMap((name) => {
        const first = NAME.exec(name)?.[1];
        return first === undefined ? [] : [{ first: Number(first), path: join(dir, name) }];
      })
      .sort((a, b) => a.first - b.first);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export async function bytesOf(segments: readonly Segment[]): Promise<number> {
  const sizes = await Promise.all(
    segments.map(({ path }) =>
      stat(path).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * How many bytes of output came before the record `seq`, which was dropped: as of the beginning of its segment, so it
 * may be up to one segment too low. 0 where even that is not known.
 */
export async function offsetOfDropped(dir: string, seq: number): Promise<number> {
  const list = await readFile(join(dir, 'dropped')).catch(() => Buffer.alloc(0));
  let offset = 0;
  for (let at = 0; at + DROPPED_LINE_BYTES <= list.length; at += DROPPED_LINE_BYTES) {
    if (Number(list.readBigUInt64LE(at)) <= seq) offset = Number(list.readBigUInt64LE(at + 8));
  }
  return offset;
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
