import { once } from 'node:events';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { ArcError } from '../../contract/errors.ts';
import { fileError } from './file-error.ts';
import { packFolder } from './folder-tar.ts';
import type { FromWorker, UnpackJob } from './unpack.ts';
import { type Marks, type UnpackResult, unpackFile, unpackStream } from './unpack-tar.ts';

/** The other side of `unpack.ts`: one job, then the end. Whiteouts are made by the side that has the helper. */
async function run(port: MessagePort, job: UnpackJob): Promise<UnpackResult> {
  const applyMarks = async (marks: Marks) => {
    if (marks.whiteouts.length === 0 && marks.opaque.length === 0) return;
    port.postMessage({ kind: 'marks', marks } satisfies FromWorker);
    await once(port, 'message');
  };
  const { into, limits } = job;
  if (job.source.kind === 'file') return unpackFile(job.source.path, into, limits, applyMarks);
  return unpackStream(packFolder(job.source.path), into, limits, applyMarks);
}

if (parentPort) {
  const port = parentPort;
  try {
    const result = await run(port, workerData as UnpackJob);
    port.postMessage({ kind: 'done', result } satisfies FromWorker);
  } catch (cause) {
    const error = fileError(cause, 'the layer');
    const code = error instanceof ArcError ? error.code : 'internal';
    const detail = error instanceof Error ? error.message : String(error);
    port.postMessage({ kind: 'failed', code, detail } satisfies FromWorker);
  }
  port.close();
}
