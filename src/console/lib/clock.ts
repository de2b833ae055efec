import { signal } from '@preact/signals';

/** The one place where the console reads the time and sets timers. */

export const nowMs = (): number => Date.now();

/** The time in ms, moved on once a second while somebody looks; what counts down reads it. */
export const now = signal(nowMs());

/** @returns what ends it. */
export function after(ms: number, act: () => void): () => void {
  const timer = setTimeout(act, ms);
  return () => clearTimeout(timer);
}

/** Again and again, and not while the page is hidden. @returns what ends it. */
export function every(ms: number, act: () => void): () => void {
  const timer = setInterval(() => {
    if (document.visibilityState === 'visible') act();
  }, ms);
  return () => clearInterval(timer);
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => void after(ms, resolve));

every(1_000, () => {
  now.value = nowMs();
});
document.addEventListener('visibilitychange', () => {
  now.value = nowMs();
});
