import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Header, pack as makePack, type Pack } from 'tar-stream';

const READ_BYTES = 65_536;

/**
 * A folder with all it holds, as a tar with names relative to it. Owners are left out: who they are here says nothing in a
 * sandbox. What is neither file, folder nor link is left out and told.
 */
export async function* packFolder(
  folder: string,
  onSkip: (path: string) => void,
): AsyncGenerator<Uint8Array, void, void> {
  const pack = makePack();
  const filling = fill(pack, folder, '', onSkip).then(
    () => pack.finalize(),
    (error: Error) => pack.destroy(error),
  );
  try {
    yield* pack as AsyncIterable<Uint8Array>;
  } finally {
    pack.destroy();
    await filling;
  }
}

async function fill(pack: Pack, folder: string, name: string, onSkip: (path: string) => void): Promise<void> {
  const entries = await readdir(join(folder, name));
  for (const entry of entries.sort()) {
    const path = join(folder, name, entry);
    const inside = name === '' ? entry : `${name}/${entry}`;
    const stat = await lstat(path);
    const common = { name: inside, mode: stat.mode & 0o7777, mtime: stat.mtime, uid: 0, gid: 0 };
    if (stat.isDirectory()) {
      await put(pack, { ...common, name: `${inside}/`, type: 'directory' });
      await fill(pack, folder, inside, onSkip);
    } else if (stat.isSymbolicLink()) {
      await put(pack, { ...common, type: 'symlink', linkname: await readlink(path) });
    } else if (stat.isFile()) {
      await putFile(pack, { ...common, type: 'file', size: stat.size }, path, stat.size);
    } else onSkip(path);
  }
}

function put(pack: Pack, header: Partial<Header> & Pick<Header, 'name'>): Promise<void> {
  return new Promise((resolve, reject) => {
    pack.entry(header, (error) => (error ? reject(error) : resolve()));
  });
}

/** The size stands before the content, so a file that changes meanwhile can't be packed honestly. */
async function putFile(
  pack: Pack,
  header: Partial<Header> & Pick<Header, 'name'>,
  path: string,
  size: number,
): Promise<void> {
  await using file = await open(path, 'r');
  const done = Promise.withResolvers<void>();
  done.promise.catch(() => {});
  const entry = pack.entry(header, (error) => (error ? done.reject(error) : done.resolve()));
  const buffer = Buffer.alloc(READ_BYTES);
  for (let left = size; left > 0; ) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(left, buffer.length));
    if (bytesRead === 0) throw new Error(`${path} became shorter while it was read`);
    left -= bytesRead;
    await write(entry, Buffer.from(buffer.subarray(0, bytesRead)));
  }
  entry.end(null);
  await done.promise;
}

function write(entry: ReturnType<Pack['entry']>, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    if (entry.write(chunk)) {
      resolve();
      return;
    }
    const settle = (step: () => void) => () => {
      entry.off('drain', onDrain);
      entry.off('close', onClose);
      step();
    };
    const onDrain = settle(resolve);
    const onClose = settle(() => reject(new Error('the copy was given up')));
    entry.on('drain', onDrain);
    entry.on('close', onClose);
  });
}
