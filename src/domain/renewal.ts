/** When a certificate is valid, ms since the epoch. */
export interface Validity {
  readonly from: number;
  readonly until: number;
}

/** A renewal is begun when two thirds of the life are over, as the directories recommend… */
const BEGIN_AT = 2 / 3;
/** …and up to this part of the life earlier, so that many servers don't come at one moment. */
const SPREAD = 1 / 30;

/**
 * The moment to renew a certificate at, ms since the epoch.
 *
 * @param chance 0 ≤ x < 1, drawn anew for each certificate
 */
export function renewalAt({ from, until }: Validity, chance: number): number {
  const life = Math.max(0, until - from);
  return Math.floor(from + life * (BEGIN_AT - SPREAD * chance));
}

/** A time to wait, up to a quarter longer or shorter. */
export function jittered(ms: number, chance: number): number {
  return Math.floor(ms * (0.75 + chance / 2));
}
