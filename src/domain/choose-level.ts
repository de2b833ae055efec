import { ArcError } from '../contract/errors.ts';
import type { ResolvedSpec, RootRef } from '../contract/spec.ts';
import { LEVELS, type Level } from '../contract/states.ts';

/** Which level a sandbox gets. Never a weaker one than its template states or its create asks for. */

export interface LevelSeen {
  readonly level: Level;
  readonly available: boolean;
  /** So slow that `auto` gives it only where the template allows nothing else. */
  readonly emulated?: boolean;
}

/** The builtin root that is a view of the machine's own programs: a jail shows it, nothing else can. */
export const HOST_ROOT = 'host';

/** The builtin roots that the engines of the level wasm bring themselves. */
const WASM_ROOTS: readonly string[] = ['python', 'node'];

/** What the root can be run by, whatever the template says about the least. */
export function levelsOfRoot(root: RootRef): readonly Level[] {
  if (root.kind !== 'builtin') return LEVELS;
  if (root.name === HOST_ROOT) return ['jail'];
  return WASM_ROOTS.includes(root.name) ? LEVELS : LEVELS.filter((level) => level !== 'wasm');
}

/** What a template allows, weakest first: from its least level on, as far as its root goes. */
export function levelsAllowed({ isolation, root }: Pick<ResolvedSpec, 'isolation' | 'root'>): readonly Level[] {
  return levelsOfRoot(root).filter((level) => levelRank(level) >= levelRank(isolation));
}

export function levelRank(level: Level): number {
  return LEVELS.indexOf(level);
}

/**
 * @param base the template
 * @param asked of the create; `undefined`: the template's own least
 * @param seen what the machines give; looked at for `auto` and for a template's usual level
 * @throws isolation_too_weak, isolation_unavailable
 */
export function chooseLevel(
  base: Pick<ResolvedSpec, 'template' | 'isolation' | 'root' | 'usually'>,
  asked: Level | 'auto' | undefined,
  seen: readonly LevelSeen[] = [],
): Level {
  const allowed = levelsAllowed(base);
  if (asked === 'auto') return strongest(base.template, allowed, seen);
  const level = asked ?? usual(base, allowed, seen);
  if (levelRank(level) < levelRank(base.isolation)) {
    throw new ArcError('isolation_too_weak', `${base.template} asks for ${base.isolation}, not ${level}`, {
      extra: { levels: allowed },
    });
  }
  if (!allowed.includes(level)) {
    throw new ArcError('isolation_unavailable', `the root of ${base.template} can not be run at the level ${level}`, {
      hint: `Ask for ${allowed.join(' or ')}, or use a template with a root of its own.`,
      extra: { levels: allowed },
    });
  }
  return level;
}

/** Where nothing was asked for. With no usual level in the template it is the least, whatever the machines have. */
function usual(
  { isolation, usually }: Pick<ResolvedSpec, 'isolation' | 'usually'>,
  allowed: readonly Level[],
  seen: readonly LevelSeen[],
): Level {
  if (usually === undefined) return isolation;
  const quick = seen.filter(({ available, emulated }) => available && emulated !== true).map(({ level }) => level);
  const had = allowed.filter((level) => quick.includes(level));
  const rank = levelRank(usually);
  return had.find((level) => levelRank(level) >= rank) ?? had.findLast((level) => levelRank(level) < rank) ?? usually;
}

function strongest(template: string, allowed: readonly Level[], seen: readonly LevelSeen[]): Level {
  const available = seen.filter((one) => one.available);
  const had = available.map(({ level }) => level);
  const quick = available.filter(({ emulated }) => emulated !== true).map(({ level }) => level);
  const level = allowed.findLast((one) => quick.includes(one)) ?? allowed.findLast((one) => had.includes(one));
  if (level !== undefined) return level;
  throw new ArcError(
    'isolation_unavailable',
    `${template} may run at ${allowed.join(', ')}; here there is ${had.length === 0 ? 'no level at all' : `only ${had.join(', ')}`}`,
    { hint: '`arc levels` says how to get the others.', extra: { levels: [] } },
  );
}
