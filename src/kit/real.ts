import type { Clock, Rng } from './clock.ts';

/** The real clock and the real randomness. Only `main/` and tests that need the real ones use this. */
export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      signal?.addEventListener('abort', onAbort, { once: true });
    }),
  after: (ms, callback) => {
    const timer = setTimeout(callback, Math.min(ms, 2_147_483_647));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

export const realRng: Rng = {
  // The global, because importing `node:crypto` takes a fifth of the time in which `arc ls` is to answer.
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
  float: () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32,
};

/** Once everything has been looked at that had come in already: so that what belongs together is done together. */
export const afterThisTurn = (call: () => void): void => {
  setImmediate(call);
};
