import { join } from 'node:path';
import type { VerifyReport } from '../../../contract/schemas/verify.ts';
import { failedChecks, findingsInShort, refuses } from '../../../domain/verify/verdict.ts';
import { LAST_REPORT } from '../../verify/memory.ts';
import { type Check, fail, ok, warn } from '../check.ts';

/** What the newest run of the adversary in this data folder found. */
export const verifiedChecks: readonly Check[] = [
  {
    id: 'levels.verified',
    title: 'Levels withstand the adversary',
    cost: 'what isolates sandboxes here was not shown to hold',
    fix: 'Run `arc verify`, and mend what it finds; levels with findings take no work until then.',
    look: (probe, { dataDir }) => {
      const text = probe.readFile(join(dataDir, LAST_REPORT));
      if (text === undefined) return ok('not verified yet; a start of the server does it in the background');
      const report = JSON.parse(text) as VerifyReport;
      const refused = report.levels.filter(refuses);
      const unproven = report.levels.filter((level) => !level.passed && !refuses(level));
      if (refused.length > 0) {
        return fail(refused.map((level) => `${level.level}: ${findingsInShort(level)}`).join('; '));
      }
      if (unproven.length > 0) {
        const why = unproven.map((level) => `${level.level}: ${failedChecks(level)[0]?.findings[0]?.text ?? ''}`);
        return warn(`could not be verified: ${why.join('; ')}`);
      }
      const levels = report.levels.map(({ level }) => level).join(', ');
      return ok(`nothing found at ${levels || 'no level'}, ${report.at}`);
    },
  },
];
