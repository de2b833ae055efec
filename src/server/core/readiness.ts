import { ArcError, asArcError } from '../../contract/errors.ts';
import { formatDuration } from '../../contract/units.ts';
import { backoff } from '../../kit/backoff.ts';
import type { Core } from './context.ts';
import type { Job } from './jobs.ts';
import { READY_BACKOFF } from './options.ts';
import { type SandboxRow, targetOf } from './row.ts';

/** What is asked whether it is ready. */
type Readied = Pick<SandboxRow, 'id' | 'incarnation' | 'spec'>;

/** Asks until it is ready. Throws not_ready when its time is over, or as soon as its program has ended. */
export async function untilReady(core: Core, row: Readied, job: Job): Promise<void> {
  const { ready } = row.spec;
  if (ready.kind === 'none') return;
  const { clock, calls } = core;
  const deadline = clock.monotonic() + ready.timeoutMs;
  const signal = AbortSignal.any([job.cancel.signal, job.ended.signal]);
  let last: ArcError | undefined;
  for (const wait of backoff(READY_BACKOFF)) {
    const left = deadline - clock.monotonic();
    if (left <= 0) throw notReady(row, last);
    try {
      if (await calls.probe(targetOf(row), row.spec, left, signal)) return;
    } catch (error) {
      signal.throwIfAborted();
      last = asArcError(error);
      // What can not be answered otherwise by trying again, such as a check command that is not there. That it is not
      // running is news of its end, which comes with the reason in a moment.
      if (!last.retryable && last.code !== 'wrong_state') throw last;
    }
    await clock.sleep(Math.min(wait, Math.max(0, left)), signal);
  }
}

function notReady(row: Readied, last: ArcError | undefined): ArcError {
  const { ready } = row.spec;
  const what =
    ready.kind === 'port'
      ? `port ${ready.port} did not accept`
      : ready.kind === 'http'
        ? `GET ${ready.path} on port ${ready.port} did not answer 2xx or 3xx`
        : `${JSON.stringify(ready.command?.[0])} did not end with 0`;
  const why = last ? ` (${last.message})` : '';
  return new ArcError('not_ready', `${what} within ${formatDuration(ready.timeoutMs)}${why}`, { cause: last });
}
