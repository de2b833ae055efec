import type { Stats } from 'node:fs';
import { constants } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Header, type Pack, pack } from 'tar-stream';
import { refuse } from './tar-names.ts';

type NewHeader = Partial<Header> & { name: string; pax?: Record<string, string> };

/** The largest owner that fits a plain tar header; above it a pax record carries it. */
const USTAR_ID_MAX = 0o777777;

/**
 * A folder as a tar, in sorted order, so that the same folder gives the same digest. It stays on one file system, so a
 * root that somebody has mounted /proc in brings none of it. Sockets, fifos and devices are left out.
 */
export function packFolder(root: string): Readable {
  const out = pack();
  void write(out, root).then(
    () => out.finalize(),
    (cause: Error) => out.destroy(cause),
  );
  return out as unknown as Readable;
}

async function write(out: Pack, root: string): Promise<void> {
  const top = await lstat(root);
  const links = new Map<string, string>();
  const visit = async (path: string, name: string, stat: Stats): Promise<void> => {
    await writeEntry(out, path, stat.isDirectory() ? `${name}/` : name, stat, links);
    if (!stat.isDirectory() || stat.dev !== top.dev) return;
    const children = (await readdir(path, { encoding: 'buffer' })).map(utf8).sort();
    for (const child of children) {
      const at = join(path, child);
      await visit(at, name === '.' ? child : `${name}/${child}`, await lstat(at));
    }
  };
  await visit(root, '.', top);
}

function utf8(name: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(name);
  } catch {
    throw refuse(`a name in the folder is not UTF-8: ${JSON.stringify(name.toString('latin1'))}`);
  }
}

async function writeEntry(
  out: Pack,
  path: string,
  name: string,
  stat: Stats,
  links: Map<string, string>,
): Promise<void> {
  const header: NewHeader = {
    name,
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    mtime: new Date(Math.floor(stat.mtimeMs / 1000) * 1000),
  };
  if (stat.uid > USTAR_ID_MAX || stat.gid > USTAR_ID_MAX) header.pax = { uid: String(stat.uid), gid: String(stat.gid) };
  const key = `${stat.dev}:${stat.ino}`;
  const first = stat.nlink > 1 && !stat.isDirectory() ? links.get(key) : undefined;
  if (first !== undefined) await bare(out, { ...header, type: 'link', linkname: first });
  else if (stat.isDirectory()) await bare(out, { ...header, type: 'directory' });
  else if (stat.isSymbolicLink()) await bare(out, { ...header, type: 'symlink', linkname: await readlink(path) });
  else if (stat.isFile()) await writeFile(out, path, { ...header, type: 'file' });
  else return;
  if (stat.nlink > 1) links.set(key, name);
}

function bare(out: Pack, header: NewHeader): Promise<void> {
  return new Promise((resolve, reject) => {
    out.entry(header, '', (error) => (error ? reject(error) : resolve()));
  });
}

/** The size is read from the open file and no more than that is copied, so a file that grows meanwhile does no harm. */
async function writeFile(out: Pack, path: string, header: NewHeader): Promise<void> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const { size } = await file.stat();
  if (size === 0) return bare(out, { ...header, size });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const entry = out.entry({ ...header, size }, (error) => (error ? reject(error) : resolve()));
  await pipeline(
    file.createReadStream({ end: size - 1, autoClose: false, highWaterMark: 256 * 1024 }),
    entry as unknown as NodeJS.WritableStream,
  ).catch(reject);
  return promise;
}
