import type { Clock } from './clock.ts';

/** The same promise for `ms`, so that many who ask at once cost what one costs. A failure is not kept. */
export function cached<T>(clock: Clock, ms: number, make: () => Promise<T>): () => Promise<T> {
  let held: { readonly at: number; readonly value: Promise<T> } | undefined;
  return () => {
    if (held === undefined || clock.monotonic() - held.at >= ms) {
      const value = make();
      held = { at: clock.monotonic(), value };
      value.catch(() => {
        held = undefined;
      });
    }
    return held.value;
  };
}
