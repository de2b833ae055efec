import { giveUp } from '../../kit/limit.ts';
import type { Core } from './context.ts';
import type { SandboxRow } from './row.ts';

/** Chunks of log looked at. */
const TAIL_CHUNKS = 20;
/** Characters of it shown. */
const SHOWN_CHARS = 1_000;
/** ms that reading them may take. */
const READ_MS = 2_000;

/** The end of what a program said, for the detail of its failure: its log goes when everything of it is destroyed. */
export async function lastWords(core: Core, row: Pick<SandboxRow, 'id'>, wanted: boolean): Promise<string> {
  const { logs } = core.engine;
  if (!wanted || !logs) return '';
  const cancel = new AbortController();
  const read = async () => {
    const parts: Uint8Array[] = [];
    for await (const chunk of logs.read(row.id, { since: 0, follow: false, tail: TAIL_CHUNKS }, cancel.signal)) {
      parts.push(chunk.data);
    }
    return Buffer.concat(parts.slice(-TAIL_CHUNKS)).toString('utf8').trim();
  };
  try {
    const text = await giveUp(core.clock, read(), { ms: READ_MS });
    return text === '' ? '' : `; its last output: ${text.slice(-SHOWN_CHARS)}`;
  } catch {
    // A start that failed is explained as well as can be; that there is no log must not hide it.
    return '';
  } finally {
    cancel.abort();
  }
}
