import type { SecretUse } from '../contract/spec.ts';

const OWNER_ONLY = 0o400;
const ALL_READ = 0o444;

/**
 * The mode of the file that a secret is put into. Files that are placed are of root inside: so where the program is root it is
 * nobody else's, and where it is another user it can be read by all of them, or by none without its program.
 *
 * @param user of the sandbox's program, as its template says it
 */
export function secretMode(use: Pick<SecretUse, 'mode'>, user: string): number {
  if (use.mode !== undefined) return Number.parseInt(use.mode, 8);
  return /^(0|root)(:|$)/.test(user) ? OWNER_ONLY : ALL_READ;
}

/** A flag is there to be found by whoever gets in, as any user. */
export function flagMode(use: Pick<SecretUse, 'mode'>): number {
  return use.mode === undefined ? ALL_READ : Number.parseInt(use.mode, 8);
}
