import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { Need } from './needs.ts';

/** Looks at files only, starts nothing: with everything there this is all that `arc up` does, a few dozen `access` calls. */
export interface Finder {
  /** Where a program is along PATH, or a file as it is; undefined when it is not there. */
  find(name: string): string | undefined;
}

/** Where system programs are, for callers whose PATH lacks the sbin folders, as that of a plain user does. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

export function finder(path: string, canUse: (file: string, mode: number) => boolean = canAccess): Finder {
  const folders = [...new Set([...path.split(':').filter((folder) => folder.startsWith('/')), ...SYSTEM_FOLDERS])];
  return {
    find: (name) => {
      if (name.startsWith('/')) return canUse(name, constants.R_OK) ? name : undefined;
      return folders.map((folder) => join(folder, name)).find((file) => canUse(file, constants.X_OK));
    },
  };
}

function canAccess(file: string, mode: number): boolean {
  try {
    accessSync(file, mode);
    return true;
  } catch {
    return false;
  }
}

export interface Missing {
  readonly need: Need;
  /** The stand-in that is there, such as `runc` for crun. */
  readonly standIn: string | undefined;
  /** Nothing can start without it. */
  readonly required: boolean;
}

export function findMissing(needs: readonly Need[], find: Finder, helperBuilt: boolean): readonly Missing[] {
  return needs
    .filter((need) => !(need.onlyForBuild === true && helperBuilt))
    .filter((need) => !need.seenAs.some((name) => find.find(name) !== undefined))
    .map((need) => {
      const standIn = need.standIns?.find((name) => find.find(name) !== undefined);
      return { need, standIn, required: need.required && standIn === undefined };
    });
}
