import { ArcError } from '../contract/errors.ts';
import type { LogEntry } from '../contract/schemas/exec.ts';
import type { Context } from './context.ts';

export interface LogOptions {
  /** Entries after this sequence number; 0, the default: all that is kept. */
  readonly since?: number;
  /** Only the last so many entries. */
  readonly tail?: number;
  /** Go on with what comes, until the sandbox is removed. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

const RECONNECT_FIRST_MS = 100;
const RECONNECT_MAX_MS = 5_000;
/** Tries without a single entry in between before a lost connection is an error: about ten minutes. */
export const RECONNECTS_MAX = 125;

/** Entries in order, each once: after a lost connection it goes on from the last sequence number. */
export async function* followLogs(
  context: Context,
  sandbox: string,
  options: LogOptions = {},
): AsyncGenerator<LogEntry, void, void> {
  const { follow = false, signal } = options;
  const path = `/v1/sandboxes/${encodeURIComponent(sandbox)}/logs`;
  let since = options.since ?? 0;
  let tail = options.tail;
  for (let failures = 0; ; failures += 1) {
    try {
      const query = { since, follow: follow ? true : undefined, tail };
      for await (const entry of context.http.lines<LogEntry>('GET', path, { query, signal })) {
        if (entry.seq <= since) continue;
        since = entry.seq;
        tail = undefined;
        failures = 0;
        yield entry;
      }
      if (!follow || !(await isThere(context, sandbox, signal))) return;
    } catch (error) {
      if (!(error instanceof ArcError) || signal?.aborted) throw error;
      const gone = error.code === 'sandbox_gone' || error.code === 'sandbox_not_found';
      if (gone && since > (options.since ?? 0)) return;
      if (!follow || !error.retryable || failures >= RECONNECTS_MAX) throw error;
    }
    await context.wait(Math.min(RECONNECT_FIRST_MS * 2 ** Math.min(failures, 10), RECONNECT_MAX_MS), signal);
  }
}

/** A stream that ended well ends either with its sandbox or with the server. */
async function isThere(context: Context, sandbox: string, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    const path = `/v1/sandboxes/${encodeURIComponent(sandbox)}`;
    const { state } = await context.http.json<{ state: string }>('GET', path, { signal });
    return state !== 'removed';
  } catch (error) {
    if (!(error instanceof ArcError)) throw error;
    if (error.code === 'sandbox_gone' || error.code === 'sandbox_not_found') return false;
    if (error.retryable) return true;
    throw error;
  }
}
