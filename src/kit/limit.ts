import { BREATH_ITEMS, breathe } from './breathe.ts';
import type { Clock } from './clock.ts';

/** Thrown by `giveUp` when the time is over; the caller says it in its own words. */
export class OutOfTime extends Error {
  override readonly name = 'OutOfTime';
}

/**
 * Waits for `work`, but no longer than `ms`, nor longer than `graceMs` after the signal. Whatever is called may hang
 * for ever; who calls may not. `late` hears of a result that nobody waited for any more, so that it can be undone.
 */
export async function giveUp<T>(
  clock: Clock,
  work: Promise<T>,
  limits: { readonly ms: number; readonly signal?: AbortSignal; readonly graceMs?: number },
  late: (result: PromiseSettledResult<T>) => void = () => {},
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  let over = false;
  work.then(
    (value) => (over ? late({ status: 'fulfilled', value }) : resolve(value)),
    (reason) => (over ? late({ status: 'rejected', reason }) : reject(reason)),
  );
  const stop = (error: unknown) => {
    over = true;
    reject(error);
  };
  const cancels = [clock.after(limits.ms, () => stop(new OutOfTime(`gave up after ${limits.ms} ms`)))];
  const { signal } = limits;
  const onAbort = () => cancels.push(clock.after(limits.graceMs ?? 0, () => stop(signal?.reason)));
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await promise;
  } finally {
    for (const cancel of cancels) cancel();
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Runs `work` over all items, at most `limit` at once; errors are the work's own to handle. It lets others go in between. */
export async function eachLimited<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  let taken = 0;
  let breath: Promise<void> | undefined;
  const worker = async () => {
    for (const item of rest) {
      await work(item);
      taken += 1;
      // All of them wait: one that goes on would keep everybody else out.
      if (taken % BREATH_ITEMS === 0) breath = breathe();
      await breath;
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
}
