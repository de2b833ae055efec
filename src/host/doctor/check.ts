import type { Probe } from './probe.ts';

export type Status = 'ok' | 'warn' | 'fail';

/** What one look at the machine gave. `warn`: Arc works, with something lost. `fail`: it does not, or not safely. */
export interface Verdict {
  readonly status: Status;
  readonly found: string;
  /** In place of the check's own sentence, where what was found allows a more exact one. */
  readonly cost?: string;
  readonly fix?: string;
}

export interface Check {
  /** Stable, for programs that read the JSON. */
  readonly id: string;
  readonly title: string;
  /** What one loses while it isn't right. */
  readonly cost: string;
  readonly fix: string;
  readonly look: (probe: Probe, facts: Facts) => Verdict | Promise<Verdict>;
}

/** What Arc knows of itself: the configuration, and ways to ask its own parts. */
export interface Facts {
  readonly dataDir: string;
  readonly api: { readonly host: string; readonly port: number };
  readonly edge: { readonly host: string; readonly port: number };
  readonly networkRange: string;
  /** The tag of this data folder in names on the host, see `instanceTag` of host/network. */
  readonly tag: string;
  readonly maxSandboxes: number;
  /** The edge's certificate is had by ACME. */
  readonly acme?: boolean;
  /** `silent`: something holds the lock of the data folder, and the API doesn't answer. */
  readonly server: () => Promise<'running' | 'silent' | 'none'>;
  /** Its process, however it came by its data folder. */
  readonly serverPid?: () => number | undefined;
  readonly helper: () => Promise<HelperFacts>;
  /** What virtual machines start from. */
  readonly kit: () => Promise<{ readonly kernel: string } | 'of another version' | 'none'>;
  /** Tries an idmapped mount on the data folder's file system; gives why it can't be, or undefined. */
  readonly tryIdmap?: () => Promise<string | undefined>;
}

export interface HelperFacts {
  readonly built: boolean;
  /** Version that the running one answered with; undefined where none runs, `false` where one runs and is silent. */
  readonly version: string | undefined | false;
  readonly expected: string;
}

export interface Result {
  readonly id: string;
  readonly title: string;
  readonly status: Status;
  readonly found: string;
  /** Empty when all is well. */
  readonly cost: string;
  readonly fix: string;
}

export const ok = (found: string): Verdict => ({ status: 'ok', found });
export const warn = (found: string, more: Pick<Verdict, 'cost' | 'fix'> = {}): Verdict => ({
  status: 'warn',
  found,
  ...more,
});
export const fail = (found: string, more: Pick<Verdict, 'cost' | 'fix'> = {}): Verdict => ({
  status: 'fail',
  found,
  ...more,
});

/** A check that itself breaks is a failed check: the machine is then not as anything here expects. */
export async function runCheck(check: Check, probe: Probe, facts: Facts): Promise<Result> {
  let verdict: Verdict;
  try {
    verdict = await check.look(probe, facts);
  } catch (error) {
    verdict = fail(`could not be looked at: ${error instanceof Error ? error.message : String(error)}`);
  }
  const fine = verdict.status === 'ok';
  return {
    id: check.id,
    title: check.title,
    status: verdict.status,
    found: verdict.found,
    cost: fine ? '' : (verdict.cost ?? check.cost),
    fix: fine ? '' : (verdict.fix ?? check.fix),
  };
}
