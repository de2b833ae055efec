import { existsSync, readFileSync } from 'node:fs';
import { uptime } from 'node:os';

/**
 * A clock that two runs of Arc share: it goes on from one process to the next until the machine is restarted, and
 * nobody can set it. What must outlive the process and survive a jump of the wall clock is kept in its terms.
 */
export interface BootClock {
  /** Another value after each restart of the machine. */
  readonly id: string;
  /** Monotonic ms since some moment of this boot. */
  uptimeMs(): number;
}

/** The kernel's boot id and CLOCK_MONOTONIC. Only `main/` makes it. */
export function realBootClock(): BootClock {
  const id = bootId();
  return { id, uptimeMs: () => Number(process.hrtime.bigint() / 1000n) / 1000 };
}

const ID = '/proc/sys/kernel/random/boot_id';
/** A clock that is set moves what is worked out from it by less than this, between two starts of the machine by more. */
const SAME_BOOT_MS = 60_000;

/** Other systems than Linux have no such id: there the minute of the start has to do. */
function bootId(): string {
  if (existsSync(ID)) return readFileSync(ID, 'utf8').trim();
  return `since-${Math.round((Date.now() - uptime() * 1000) / SAME_BOOT_MS)}`;
}
