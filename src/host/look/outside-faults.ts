import type { Level } from '../../contract/states.ts';
import { boxFaults } from './box-faults.ts';
import { SEEN_LEVELS, seeBox } from './see-box.ts';

/** What root of this machine sees of a sandbox and its neighbour that must not be so, in words. */
export function outsideFaults(dataDir: string, level: Level, id: string, neighbour: string): readonly string[] {
  if (!SEEN_LEVELS.includes(level)) return [];
  const [one, other] = [seeBox(dataDir, id, level), seeBox(dataDir, neighbour, level)];
  if (one.length === 0 || other.length === 0) return ['no program is seen to run in it'];
  const ids = new Set(other.map(({ uidMap }) => uidMap));
  return [
    ...new Set(one.flatMap((seen) => boxFaults(seen, level))),
    ...(one.some(({ uidMap }) => ids.has(uidMap)) ? ['it has the host ids of its neighbour'] : []),
  ];
}
