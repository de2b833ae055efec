import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { ConsoleFile, ConsoleFiles } from '../../server/http/index.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};
const NAME = /^(?:assets\/|guide\/(?:[a-z]+\/)?)?[A-Za-z0-9_.-]{1,128}$/;
const zip = promisify(gzip);

/** The built console from memory: a few files, each read and zipped once. `build` is begun at the first question. */
export function consoleFiles(build: () => Promise<string>): ConsoleFiles {
  let folder: Promise<string> | undefined;
  const held = new Map<string, Promise<ConsoleFile | undefined>>();
  return {
    file(path) {
      if (!NAME.test(path) || path.includes('..') || TYPES[extname(path)] === undefined) {
        return Promise.resolve(undefined);
      }
      folder ??= build().catch((error) => {
        // The next question tries again: what was missing may be there by then.
        folder = undefined;
        throw error;
      });
      const found = held.get(path) ?? folder.then((at) => load(join(at, path)));
      held.set(path, found);
      found.then(
        (file) => file ?? held.delete(path),
        () => held.delete(path),
      );
      return found;
    },
  };
}

async function load(path: string): Promise<ConsoleFile | undefined> {
  const body = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (body === undefined) return undefined;
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return { body, gzip: await zip(body), type: TYPES[extname(path)] ?? 'application/octet-stream', etag };
}
