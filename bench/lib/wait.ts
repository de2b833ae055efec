import { setTimeout as delay } from 'node:timers/promises';

/** Waits for a condition to hold; throws with its name when it did not within the time. */
export async function untilTrue(
  what: string,
  timeoutMs: number,
  holds: () => Promise<boolean>,
  everyMs = 25,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await delay(everyMs);
  }
}
