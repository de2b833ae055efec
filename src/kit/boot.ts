import { readFileSync } from 'node:fs';

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
  const id = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return { id, uptimeMs: () => Number(process.hrtime.bigint() / 1000n) / 1000 };
}
