/** ms between two looks at demand and memory. Claims, ends and free places are acted on at once. */
export const POOL_TICK_MS = 5_000;
/** ms until a pool whose start failed is tried again; it grows with each failure in a row. */
export const RETRY_FIRST_MS = 1_000;
export const RETRY_FACTOR = 2;
export const RETRY_MAX_MS = 300_000;
/** Warm ones of a pool that are measured each time, and how many there are between two measurements after that. */
export const MEASURE_FIRST = 3;
export const MEASURE_EVERY = 20;
/** Warm ones that one claim tries: each may have gone at the very moment. */
export const CLAIM_TRIES_MAX = 8;
/** ms that preparing a warm one for its claimer may take, once its turn has come, before another way is taken. */
export const FIT_MS = 5_000;
/** Warm ones that are prepared at the same time: a crowd at once would make each of them too slow for `FIT_MS`. */
export const FIT_AT_ONCE = 8;
/** Warm ones taken away at once when a create finds no room. */
export const YIELD_COUNT = 4;
/** ms after a claim until what was taken is replaced. */
export const REFILL_PAUSE_MS = 50;
