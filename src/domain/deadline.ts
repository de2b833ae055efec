/**
 * When a sandbox's time is over, told so that no clock being set can kill it early or let it live for ever.
 *
 * A deadline is time left, measured on the machine's boot clock, which goes on from one run of Arc to the next and which nobody can
 * set. The wall clock is only used to say it to people. When the machine was restarted, the boot clock of before says nothing
 * any more: then the heartbeat, which Arc writes at intervals, says how long that boot lasted at least, and time during
 * which the machine was off is not counted, as nothing ran.
 */
export interface Deadline {
  /** ms that were left at `atMs`. */
  readonly leftMs: number;
  /** Which boot `atMs` belongs to. */
  readonly boot: string;
  readonly atMs: number;
}

export interface Moment {
  readonly boot: string;
  readonly uptimeMs: number;
}

/** The last boots that were seen and how far their clocks had come, newest last. */
export type Heartbeats = readonly Moment[];

/** Boots remembered; a deadline of an older one keeps all the time it had left when it was written. */
export const HEARTBEATS_MAX = 8;

export function deadlineIn(ms: number, now: Moment): Deadline {
  return { leftMs: ms, boot: now.boot, atMs: now.uptimeMs };
}

/** ms left; 0 or less: it is over. Never more than was left when it was written. */
export function timeLeft(deadline: Deadline, now: Moment, beats: Heartbeats): number {
  const spent = (until: number) => deadline.leftMs - Math.max(0, until - deadline.atMs);
  if (deadline.boot === now.boot) return spent(now.uptimeMs);
  const last = beats.find((beat) => beat.boot === deadline.boot);
  return last ? spent(last.uptimeMs) : deadline.leftMs;
}

export function beat(beats: Heartbeats, now: Moment): Heartbeats {
  return [...beats.filter((entry) => entry.boot !== now.boot), now].slice(-HEARTBEATS_MAX);
}

/** ms by which a time said earlier may be off before people are told another one. */
const EXPIRY_DRIFT_MS = 2_000;

/** The wall-clock time to tell people: what was said before, unless the wall clock has been set meanwhile. */
export function expiryForPeople(said: number | undefined, leftMs: number, wallNow: number): number {
  const exact = Math.round(wallNow + Math.max(0, leftMs));
  return said !== undefined && Math.abs(said - exact) <= EXPIRY_DRIFT_MS ? said : exact;
}

/** New time left after somebody asked for more: at least `ms` from now, never less than there was. */
export function extended(leftMs: number, ms: number): number {
  return Math.max(leftMs, ms);
}
