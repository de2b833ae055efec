import { type Header, type Pack, pack } from 'tar-stream';
import { ArcError } from '../../../contract/errors.ts';
import type { FileSession, FileStat } from '../../../engines/engine.ts';
import { ARCHIVE_DEPTH_MAX, ARCHIVE_ENTRIES_MAX } from '../limits.ts';
import { joinPath } from '../routes/sandbox-path.ts';
import { drained } from '../stream/drained.ts';

const MTIME_S_MAX = 0x7fff_ffff;
const ZEROS = Buffer.alloc(65_536);

/** A folder's tree as a tar, made while it is read: memory holds one chunk and the listings above the current entry. */
export async function* packTree(session: FileSession, path: string): AsyncGenerator<Uint8Array> {
  const root = await session.stat(path, true);
  if (root.type !== 'dir' && root.type !== 'file')
    throw new ArcError('file_refused', `${path} is neither a file nor a folder`);
  const archive = pack();
  const filling = (
    root.type === 'file'
      ? addFile(archive, session, path, { ...root, name: baseName(path) }, baseName(path))
      : addFolder(archive, session, path)
  ).then(
    () => archive.finalize(),
    (error: Error) => void archive.destroy(error),
  );
  try {
    for await (const chunk of archive) yield chunk as Buffer;
  } finally {
    archive.destroy();
    await filling;
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

async function addFolder(archive: Pack, session: FileSession, path: string): Promise<void> {
  const stack = [{ path, prefix: '', entries: (await session.list(path)).values() }];
  let count = 0;
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.entries.next();
    if (next.done) {
      stack.pop();
      continue;
    }
    const stat = next.value;
    count += 1;
    if (count > ARCHIVE_ENTRIES_MAX) throw new ArcError('archive_refused', `more than ${ARCHIVE_ENTRIES_MAX} entries`);
    const name = `${top.prefix}${stat.name}`;
    const at = joinPath(top.path, stat.name);
    if (stat.type === 'file') await addFile(archive, session, at, stat, name);
    else if (stat.type === 'symlink')
      await addPlain(archive, { ...header(stat, name), type: 'symlink', linkname: stat.target ?? '' });
    else if (stat.type === 'dir') {
      if (stack.length >= ARCHIVE_DEPTH_MAX)
        throw new ArcError('archive_refused', `folders deeper than ${ARCHIVE_DEPTH_MAX}`);
      await addPlain(archive, { ...header(stat, `${name}/`), type: 'directory' });
      const entries = await ifThere(session.list(at));
      if (entries !== undefined) stack.push({ path: at, prefix: `${name}/`, entries: entries.values() });
    }
  }
}

type NewEntry = Partial<Header> & Pick<Header, 'name'>;

function header(stat: FileStat, name: string): NewEntry {
  const seconds = Math.min(Math.max(Math.floor(stat.mtimeMs / 1_000), 0), MTIME_S_MAX);
  return { name, mode: stat.mode, uid: stat.uid, gid: stat.gid, mtime: new Date(seconds * 1_000) };
}

function addPlain(archive: Pack, entry: NewEntry): Promise<void> {
  return new Promise((resolve, reject) => {
    archive.entry(entry, (error) => (error ? reject(error) : resolve()));
  });
}

/** The size is promised before the content: what grew meanwhile is cut, what shrank is filled with zeros, as tar does. */
async function addFile(archive: Pack, session: FileSession, path: string, stat: FileStat, name: string): Promise<void> {
  const chunks = session.read(path)[Symbol.asyncIterator]();
  try {
    // What went away between listing and reading is left out before its name is written.
    let next = await ifThere(chunks.next());
    if (next === undefined) return;
    const done = Promise.withResolvers<void>();
    done.promise.catch(() => {});
    const sink = archive.entry({ ...header(stat, name), type: 'file', size: stat.size }, (error) =>
      error ? done.reject(error) : done.resolve(),
    );
    sink.on('error', () => {});
    let left = stat.size;
    for (; !next.done && left > 0; next = await chunks.next()) {
      const data = next.value.subarray(0, left);
      left -= data.length;
      if (sink.destroyed) break;
      if (!sink.write(data)) await drained(sink);
    }
    for (; left > 0 && !sink.destroyed; left -= Math.min(left, ZEROS.length)) {
      if (!sink.write(ZEROS.subarray(0, left))) await drained(sink);
    }
    sink.end(null);
    await done.promise;
  } finally {
    await chunks.return?.();
  }
}

async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ArcError && error.code === 'file_not_found') return undefined;
    throw error;
  }
}
