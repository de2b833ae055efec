import { constants, createReadStream, type Stats } from 'node:fs';
import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, posix, resolve } from 'node:path';
import { ArcError } from '../contract/errors.ts';
import type { FileEntry } from '../contract/schemas/exec.ts';
import type { Sandbox } from '../sdk/sandbox.ts';
import { clean } from './clean.ts';
import { type Call, UsageError } from './command.ts';

/** Copies between here and a sandbox; both ways give the bytes that were copied (of the tar, for folders). */
export class Copier {
  readonly #call: Call;

  constructor(call: Call) {
    this.#call = call;
  }

  async up(source: string, sandbox: Sandbox, target: string): Promise<number> {
    const { env } = this.#call;
    const count = new Count();
    if (source === '-') {
      if (target.endsWith('/')) throw new UsageError('the input has no name: name the file that it becomes');
      await sandbox.files.write(target, count.of(env.stdin));
      return count.bytes;
    }
    const path = resolve(env.cwd, source);
    const here = await statHere(path, source);
    const there = await statThere(sandbox, target);
    const into = there?.type === 'dir' || target.endsWith('/');
    const inside =
      into && !source.endsWith('/.') && basename(path) !== '' ? posix.join(target, basename(path)) : target;
    if (here.isDirectory()) {
      if (there && there.type !== 'dir') throw new ArcError('file_refused', `${target} is there and is no folder`);
      const { packFolder } = await import('./tar/pack.ts');
      const tell = (skipped: string) => {
        this.#call.err.line(`arc: left out ${clean(skipped)}: neither file, folder nor link`).catch(() => {});
      };
      await sandbox.files.writeTar(inside, count.of(packFolder(path, tell)));
    } else if (here.isFile()) {
      await sandbox.files.write(inside, count.of(createReadStream(path)), { mode: here.mode & 0o777 });
    } else throw new UsageError(`${source} is neither a file nor a folder`);
    return count.bytes;
  }

  async down(sandbox: Sandbox, source: string, target: string): Promise<number> {
    const { env, out } = this.#call;
    const count = new Count();
    const there = await statThere(sandbox, source);
    if (!there) throw new ArcError('file_not_found', `there is no ${source} in ${sandbox.id}`);
    const isFolder = there.type === 'dir';
    if (target === '-') {
      const content = isFolder ? sandbox.files.readTar(source) : sandbox.files.read(source);
      for await (const chunk of count.of(content)) await out.write(chunk);
      return count.bytes;
    }
    const path = resolve(env.cwd, target);
    const here = await stat(path).catch(() => undefined);
    const name = posix.basename(posix.normalize(source));
    const into = (here?.isDirectory() || target.endsWith('/')) && !source.endsWith('/.') && name !== '';
    const inside = into ? join(path, name) : path;
    if (isFolder) {
      if (here && !here.isDirectory()) throw new UsageError(`${target} is there and is no folder`);
      const { unpackInto } = await import('./tar/unpack.ts');
      await unpackInto(inside, count.of(sandbox.files.readTar(source)));
    } else await writeHere(inside, count.of(sandbox.files.read(source)), there.mode & 0o777);
    return count.bytes;
  }
}

class Count {
  bytes = 0;
  async *of(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of content) {
      this.bytes += chunk.byteLength;
      yield chunk;
    }
  }
}

async function statHere(path: string, shown: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new UsageError(code === 'ENOENT' ? `there is no ${shown} here` : `${shown}: ${(cause as Error).message}`);
  }
}

type There = Pick<FileEntry, 'type' | 'mode'>;

/** With links followed; one that leads nowhere is as good as nothing. */
async function statThere(sandbox: Sandbox, path: string): Promise<There | undefined> {
  try {
    const entry = await sandbox.files.stat(path);
    return entry.type === 'symlink' ? await sandbox.files.resolve(path) : entry;
  } catch (error) {
    // The answer to a HEAD has no problem document that would say more than `not_found`.
    if (error instanceof ArcError && (error.code === 'file_not_found' || error.code === 'not_found')) return undefined;
    throw error;
  }
}

/** Into a file beside it that then takes its place: a copy that breaks off leaves what was there. */
async function writeHere(path: string, content: AsyncIterable<Uint8Array>, mode: number): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const before = await stat(target).catch(() => undefined);
  if (before && !before.isFile()) {
    // A device or a pipe is written to, not replaced.
    await using file = await open(target, constants.O_WRONLY);
    for await (const chunk of content) await file.write(chunk);
    return;
  }
  const partial = join(dirname(target), `.${basename(target)}.arc-partial`);
  await rm(partial, { force: true });
  try {
    await using file = await open(
      partial,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      mode,
    );
    for await (const chunk of content) await file.write(chunk);
    await file.chmod(before ? before.mode & 0o777 : mode);
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
