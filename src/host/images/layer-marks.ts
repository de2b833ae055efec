import { spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { ArcError } from '../../contract/errors.ts';
import type { NodeHelper } from '../helper/port.ts';
import { refuse, toBytes } from './tar-names.ts';
import type { Marks } from './unpack-tar.ts';

export type LayerMarks = NodeHelper['layerMarks'];

/** Names in one request to the helper, whose messages are bounded, and their bytes. */
const BATCH_NAMES = 128;
const BATCH_BYTES = 16 * 1024;
const TAR_ERROR_CHARS = 2000;

/** Marks what a layer hides of those below it: by the helper where there is one, else by the system's tar. */
export async function markLayer(dir: string, marks: Marks, helper: LayerMarks | undefined): Promise<void> {
  const whiteouts = marks.whiteouts.map(text);
  const opaque = marks.opaque.map(text);
  if (!helper) {
    await markByTar(dir, whiteouts, opaque);
    return;
  }
  for (const batch of batches(whiteouts)) await helper(dir, batch, []);
  for (const batch of batches(opaque)) await helper(dir, [], batch);
}

function text(name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(toBytes(name));
  } catch {
    throw refuse('a whiteout has a name that is not UTF-8');
  }
}

function* batches(names: readonly string[]): Generator<string[]> {
  let batch: string[] = [];
  let bytes = 0;
  for (const name of names) {
    const size = Buffer.byteLength(name);
    if (batch.length > 0 && (batch.length >= BATCH_NAMES || bytes + size > BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(name);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/**
 * Node can make neither device nodes nor extended attributes. GNU tar can do both, many in one process: the marks are
 * written as an archive of devices and of folders with an attribute. The names were checked when the layer was
 * unpacked, and none of their parents is a link.
 */
async function markByTar(dir: string, whiteouts: readonly string[], opaque: readonly string[]): Promise<void> {
  const archive = pack();
  for (const name of whiteouts) {
    archive.entry({ name, type: 'character-device', mode: 0, devmajor: 0, devminor: 0, mtime: new Date(0) });
  }
  for (const name of opaque) {
    const pax = { 'SCHILY.xattr.trusted.overlay.opaque': 'y' };
    archive.entry({ name: `${name}/`, type: 'directory', mode: 0o755, mtime: new Date(0), pax });
  }
  archive.finalize();
  const argv = ['--extract', '--file=-', `--directory=${dir}`, '--xattrs', '--xattrs-include=trusted.overlay.*'];
  const tar = spawn('tar', argv, {
    stdio: ['pipe', 'ignore', 'pipe'],
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' },
  });
  let said = '';
  tar.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said = (said + chunk).slice(0, TAR_ERROR_CHARS);
  });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  tar.once('error', (cause) => reject(new ArcError('host_unfit', 'tar is missing; install tar', { cause })));
  tar.once('close', resolve);
  // When tar ends early its pipe breaks; its exit code says more than that.
  const [code] = await Promise.all([
    promise,
    pipeline(archive as unknown as NodeJS.ReadableStream, tar.stdin).catch(() => {}),
  ]);
  if (code === 0) return;
  if (said.includes('No space left')) throw new ArcError('disk_full', 'no space left for the layer');
  throw new ArcError('host_unfit', `overlayfs marks can not be made here: ${said.trim()}`);
}
