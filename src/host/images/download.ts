import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { ArcError } from '../../contract/errors.ts';
import { fileError } from './file-error.ts';
import type { Descriptor } from './manifest.ts';
import type { RegistryClient } from './registry-client.ts';

/** Breaks of the connection that are mended by asking for the rest, as long as each try brought something. */
const RESUMES_MAX = 5;

/**
 * Brings a blob into a file and proves that it is what its digest says. Nothing of it is looked at before that, so the
 * decompressor and the tar reader only ever see bytes that the manifest vouches for.
 */
export async function downloadBlob(
  client: RegistryClient,
  blob: Descriptor,
  file: string,
  onBytes: (done: number) => void,
): Promise<void> {
  await using handle = await open(file, 'wx', 0o600).catch((cause) => {
    throw fileError(cause, 'the download');
  });
  const hash = createHash('sha256');
  let done = 0;
  for (let resumes = 0; done < blob.size || resumes === 0; resumes += 1) {
    const before = done;
    try {
      const flow = await client.blob(blob.digest, done);
      // Without ranges the registry starts again from the first byte: what is here already is passed over.
      let skip = flow.response.status === 206 ? 0 : done;
      for await (const chunk of flow.stall.body(flow.response)) {
        const fresh = chunk.subarray(Math.min(skip, chunk.byteLength));
        skip -= chunk.byteLength - fresh.byteLength;
        if (fresh.byteLength === 0) continue;
        if (done + fresh.byteLength > blob.size) throw mismatch(blob, 'more bytes came than its manifest says');
        hash.update(fresh);
        await handle.writeFile(fresh).catch((cause) => {
          throw fileError(cause, `the download of ${blob.digest}`);
        });
        done += fresh.byteLength;
        onBytes(done);
      }
      // A broken connection throws; an orderly end before the last byte is the registry's own idea of this blob.
      if (done < blob.size) throw mismatch(blob, `only ${done} of ${blob.size} bytes came`);
    } catch (cause) {
      const error = client.failure(cause);
      const again = error instanceof ArcError && error.code === 'registry_unreachable' && done > before;
      if (!again || resumes >= RESUMES_MAX) throw error;
    }
  }
  const got = `sha256:${hash.digest('hex')}`;
  if (got !== blob.digest) throw mismatch(blob, `what came is ${got}`);
}

function mismatch(blob: Descriptor, why: string): ArcError {
  return new ArcError('image_digest_mismatch', `blob ${blob.digest}: ${why}`);
}
