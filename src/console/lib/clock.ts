import { signal } from '@preact/signals';

/** The one place where the console reads the time and sets timers. */

export const nowMs = (): number => Date.now();

const second = signal(0);

/** The time in ms, for what counts down: whoever draws with it is drawn again each second, and is never behind by one. */
export function now(): number {
  second.value;
  return nowMs();
}

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

const move = (): void => {
  second.value += 1;
};
every(1_000, move);
document.addEventListener('visibilitychange', move);
