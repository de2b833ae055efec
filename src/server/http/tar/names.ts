import { ArcError } from '../../../contract/errors.ts';
import {
  ARCHIVE_DEPTH_MAX,
  ARCHIVE_LINK_BYTES_MAX,
  ARCHIVE_LINKS_MAX,
  NAME_BYTES_MAX,
  PATH_BYTES_MAX,
} from '../limits.ts';

/** What an archive may call its entries, and where its links may lead. */

export function refuseEntry(why: string, cause?: unknown): ArcError {
  return new ArcError('archive_refused', `the archive is refused: ${why.slice(0, 400)}`, {
    cause,
    hint: 'See `detail`. What came before that entry was unpacked.',
  });
}

/** `./a//b/` → `a/b`; the empty text for the folder itself. */
export function entryPath(name: string, folder: string): string {
  const shown = JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
  if (name.includes('\0')) throw refuseEntry(`${shown} holds a zero byte`);
  if (name.startsWith('/')) throw refuseEntry(`${shown} is absolute`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refuseEntry(`${shown} climbs out`);
  if (parts.length > ARCHIVE_DEPTH_MAX) throw refuseEntry(`${shown} is deeper than ${ARCHIVE_DEPTH_MAX} folders`);
  if (parts.some((part) => Buffer.byteLength(part) > NAME_BYTES_MAX)) {
    throw refuseEntry(`${shown} has a name of more than ${NAME_BYTES_MAX} bytes`);
  }
  const path = parts.join('/');
  if (Buffer.byteLength(path) + Buffer.byteLength(folder) + 1 > PATH_BYTES_MAX) {
    throw refuseEntry(`${shown} is longer than ${PATH_BYTES_MAX} bytes`);
  }
  return path;
}

/**
 * The links of one archive. A link may only lead below the folder, as its text says; and because links to links can say
 * one thing and mean another, nothing is unpacked through any of them.
 */
export class ArchiveLinks {
  readonly #paths = new Set<string>();
  #bytes = 0;

  add(path: string, target: string): void {
    const shown = JSON.stringify(target.length > 100 ? `${target.slice(0, 100)}…` : target);
    if (target === '' || target.includes('\0')) throw refuseEntry(`the link ${JSON.stringify(path)} leads nowhere`);
    if (target.startsWith('/')) throw refuseEntry(`a link leads to the absolute path ${shown}`);
    if (Buffer.byteLength(target) >= PATH_BYTES_MAX) throw refuseEntry(`a link is longer than ${PATH_BYTES_MAX} bytes`);
    let depth = path.split('/').length - 1;
    for (const part of target.split('/')) {
      if (part === '..') depth -= 1;
      else if (part !== '' && part !== '.') depth += 1;
      if (depth < 0) throw refuseEntry(`a link climbs out to ${shown}`);
    }
    if (!this.#paths.has(path)) this.#bytes += path.length;
    this.#paths.add(path);
    if (this.#paths.size > ARCHIVE_LINKS_MAX || this.#bytes > ARCHIVE_LINK_BYTES_MAX) {
      throw refuseEntry(`more than ${ARCHIVE_LINKS_MAX} links`);
    }
  }

  has(path: string): boolean {
    return this.#paths.has(path);
  }

  delete(path: string): void {
    if (this.#paths.delete(path)) this.#bytes -= path.length;
  }

  /** Throws when a folder above `path` is one of the links. */
  refuseThrough(path: string, name: string): void {
    if (this.#paths.size === 0) return;
    for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
      if (this.#paths.has(path.slice(0, slash)))
        throw refuseEntry(`${JSON.stringify(name.slice(0, 100))} goes through a link`);
    }
  }
}
