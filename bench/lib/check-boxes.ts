import { execFileSync } from 'node:child_process';
import type { Level } from '../../src/contract/states.ts';
import { boxFaults, ruleFaults, seeBox } from '../../src/host/look/index.ts';
import { instanceTag } from '../../src/host/network/plan.ts';
import type { LaunchedArc } from '../../test/e2e/lib/launch.ts';

const LOOKED_AT = 20;
/** What the template says: limits of a box are its own, and not just any. */
const WHOAMI = { memoryLimit: String(16 * 1024 * 1024), pidsLimit: '16' };

/**
 * Looks at up to 20 `whoami` sandboxes, chosen at random, from outside and as `arc verify` does: are they the full box that
 * the figures are said to be of? Throws where one is not; gives the line that says what was looked at, and by which
 * runtime they run.
 */
export async function checkBoxes(arc: LaunchedArc, ids: readonly string[]): Promise<string> {
  const some = ids.toSorted(() => Math.random() - 0.5).slice(0, LOOKED_AT);
  const { runtime, isolation } = (await arc.client.sandboxes.get(some[0] ?? '')).info;
  for (const id of some) {
    const faults = faultsOf(arc.dataDir, id, isolation);
    if (faults.length > 0) throw new Error(`${id} is not in the full box: ${faults.join('; ')}`);
  }
  checkRules(arc.dataDir);
  const [version] = execFileSync(runtime ?? '', ['--version'], { encoding: 'utf8' }).split('\n');
  return `${some.length} looked at: user namespace, seccomp, no capabilities, limits and rules are in force; ${version}`;
}

function faultsOf(dataDir: string, id: string, level: Level): readonly string[] {
  const programs = seeBox(dataDir, id, level);
  if (programs.length === 0) return ['no program of it is seen'];
  const limited = programs.every(
    ({ memoryLimit, pidsLimit }) => memoryLimit === WHOAMI.memoryLimit && pidsLimit === WHOAMI.pidsLimit,
  );
  return [
    ...new Set(programs.flatMap((seen) => boxFaults(seen, level))),
    ...(limited ? [] : ['its limits are not those of its template']),
  ];
}

function checkRules(dataDir: string): void {
  const table = `arc_${instanceTag(dataDir)}`;
  const faults = ruleFaults(execFileSync('nft', ['-s', 'list', 'table', 'inet', table], { encoding: 'utf8' }));
  if (faults.length > 0) throw new Error(`the rules of all sandboxes: ${faults.join('; ')}`);
}
