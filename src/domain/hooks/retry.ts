/** What a try came to. `refused`: the receiver is there and does not take this one message. */
export type Answer =
  | { readonly kind: 'taken' }
  | { readonly kind: 'ended'; readonly detail: string }
  | { readonly kind: 'refused' | 'down'; readonly detail: string; readonly retryAfterMs?: number };

export interface RetryLimits {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
  /** A receiver may ask for no longer wait than this. */
  readonly askedMaxMs: number;
  /** For so long each message is tried. */
  readonly lastsMs: number;
  /** However old it is when it is first seen, for so long it is tried. */
  readonly leastMs: number;
}

export const RETRY_LIMITS: RetryLimits = {
  firstMs: 1_000,
  factor: 3,
  maxMs: 600_000,
  askedMaxMs: 3_600_000,
  lastsMs: 24 * 3_600_000,
  leastMs: 600_000,
};

/** Statuses that say nothing of the message: it is tried again as if nobody had been there. */
const NOT_NOW = new Set([408, 425, 429]);

export function answerOf(status: number, retryAfter: string | null, now: number): Answer {
  if (status >= 200 && status < 300) return { kind: 'taken' };
  const detail = `it answered ${status}`;
  if (status === 410) return { kind: 'ended', detail };
  const asked = retryAfterMs(retryAfter, now);
  const kind = status >= 500 || NOT_NOW.has(status) ? 'down' : 'refused';
  return { kind, detail, ...(asked === undefined ? {} : { retryAfterMs: asked }) };
}

/** Seconds, or a date; whatever else is written there says nothing. */
function retryAfterMs(text: string | null, now: number): number | undefined {
  if (text === null) return undefined;
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1_000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

/** ms until the next try after so many failures in a row. @param chance 0 to 1, so that many do not come back at once. */
export function retryIn(failures: number, asked: number | undefined, chance: number, limits: RetryLimits): number {
  const grown = Math.min(limits.maxMs, limits.firstMs * limits.factor ** Math.min(failures - 1, 20));
  const spread = grown * (0.75 + chance / 2);
  return Math.max(spread, Math.min(asked ?? 0, limits.askedMaxMs));
}

/** ms for which a message is still tried, seen for the first time at this age. */
export function lastsFor(ageMs: number, limits: RetryLimits): number {
  return Math.max(limits.leastMs, limits.lastsMs - Math.max(0, ageMs));
}
