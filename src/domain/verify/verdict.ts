import type { VerifiedLevel, VerifyCheck } from '../../contract/schemas/verify.ts';

/** The check that says whether the others had anything to look at. */
export const COMPLETE_ID = 'complete';

export function failedChecks({ checks }: Pick<VerifiedLevel, 'checks'>): readonly VerifyCheck[] {
  return checks.filter(({ outcome }) => outcome === 'failed');
}

/**
 * Does a level take no work for what was found? Not where the adversary could not be run or was ended half-way, such as on
 * a machine that is full: that proves nothing, in either direction, and is shown as it is.
 */
export function refuses(verified: Pick<VerifiedLevel, 'checks'>): boolean {
  const failed = failedChecks(verified);
  return failed.length > 0 && !failed.some(({ id }) => id === COMPLETE_ID);
}

/** The findings in one sentence, for an error or a note. */
export function findingsInShort(verified: Pick<VerifiedLevel, 'checks'>): string {
  const failed = failedChecks(verified);
  const [first] = failed;
  const more = failed.length > 1 ? `, and ${failed.length - 1} more` : '';
  return first === undefined ? '' : `${first.id} (${first.findings[0]?.text ?? first.title})${more}`;
}
