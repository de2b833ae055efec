/** Items that long loops take between two breaths: well under 20 ms of work for what is done here per item. */
export const BREATH_ITEMS = 128;

/**
 * Lets the event loop serve what has arrived meanwhile, and comes back. For loops over everything there is, which
 * would hold up every request for as long as they take.
 */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The items, with a breath after each so many. */
export async function* breathing<T>(items: Iterable<T>, every = BREATH_ITEMS): AsyncGenerator<T> {
  let taken = 0;
  for (const item of items) {
    yield item;
    taken += 1;
    if (taken % every === 0) await breathe();
  }
}
