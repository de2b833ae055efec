import type { VerifyCheck } from '../../contract/schemas/verify.ts';
import type { Check, Expectation } from './check.ts';
import { CALL_CHECKS } from './checks-calls.ts';
import { LIMIT_CHECKS } from './checks-limits.ts';
import { NETWORK_CHECK, NO_NETWORK_CHECK } from './checks-network.ts';
import { SELF_CHECKS } from './checks-self.ts';
import { SURROUNDINGS_CHECKS } from './checks-surroundings.ts';
import type { Facts } from './facts.ts';

/** What was seen at one level, by every way in. */
export interface Seen {
  /** As the sandbox's own program. */
  readonly create: Facts;
  /** As a command in it. */
  readonly exec: Facts;
  /** As a command in its neighbour, which has no network: targets only. */
  readonly neighbour: Facts;
  /** What the host sees of them that must not be. */
  readonly outside: readonly string[];
  /** What was to be attacked and was not there: nothing is proven then. */
  readonly unproven: readonly string[];
}

/** Tried by create and by exec alike: an exec that is weaker than its sandbox is a way around it. */
export const CHECKS: readonly Check[] = [
  ...SELF_CHECKS,
  ...CALL_CHECKS,
  ...SURROUNDINGS_CHECKS,
  ...LIMIT_CHECKS,
  NETWORK_CHECK,
];

const COMPLETE = { id: 'complete', title: 'the adversary came to its end, and its targets were there' };
const OUTSIDE = { id: 'outside', title: 'the host sees namespaces, ids, filter and limits of their own' };

/** Every check with what came of it, in a fixed order. */
export function judge(seen: Seen, expected: Expectation): readonly VerifyCheck[] {
  const ended = (['create', 'exec', 'neighbour'] as const).filter((via) => seen[via].value('end') !== 'yes');
  const failed = { text: 'the adversary did not come to its end' };
  return [
    outcome(COMPLETE, [
      ...ended.map((via) => ({ via, ...failed })),
      ...seen.unproven.map((text) => ({ via: 'outside' as const, text })),
    ]),
    outcome(
      OUTSIDE,
      seen.outside.map((text) => ({ via: 'outside' as const, text })),
    ),
    ...CHECKS.map((check) => {
      if (check.ownKernel !== undefined && expected.kernel === 'own') return skipped(check, check.ownKernel);
      return outcome(check, [
        ...check.find(seen.create, expected).map((text) => ({ via: 'create' as const, text })),
        ...check.find(seen.exec, expected).map((text) => ({ via: 'exec' as const, text })),
      ]);
    }),
    outcome(
      NO_NETWORK_CHECK,
      NO_NETWORK_CHECK.find(seen.neighbour, expected).map((text) => ({ via: 'neighbour' as const, text })),
    ),
  ];
}

/** Findings of one check: more than these say nothing new. */
const FINDINGS_MAX = 40;

function outcome({ id, title }: Pick<Check, 'id' | 'title'>, findings: VerifyCheck['findings']): VerifyCheck {
  return { id, title, outcome: findings.length === 0 ? 'passed' : 'failed', findings: findings.slice(0, FINDINGS_MAX) };
}

function skipped({ id, title }: Check, reason: string): VerifyCheck {
  return { id, title, outcome: 'skipped', findings: [], reason };
}
