import { lstatSync } from 'node:fs';
import { MASKED_PATHS, READONLY_PATHS } from '../oci/paths.ts';
import type { Mask } from './jailer.ts';

/**
 * Where the host has handlers of binary formats: it would come along with /proc/sys, which a jailer can only bind from the
 * host. (What /proc/sys says of network, ipc and names is always that of who reads it.)
 */
const COMES_ALONG = '/proc/sys/fs/binfmt_misc';

/**
 * What a jail must not see or not write of /proc, as a container's configuration has it. There is no /sys to be masked.
 * @param kindOf of a path of this kernel; `undefined` where it has none
 */
export function masksOf(kindOf: (path: string) => 'file' | 'dir' | undefined = lookAt): readonly Mask[] {
  const readonly = READONLY_PATHS.filter((path) => kindOf(path) !== undefined);
  const masked = [...MASKED_PATHS, COMES_ALONG].filter((path) => path.startsWith('/proc/'));
  return [
    ...readonly.map((path): Mask => ({ path, kind: 'readonly' })),
    ...masked.flatMap((path): Mask[] => {
      const kind = kindOf(path);
      return kind === undefined ? [] : [{ path, kind }];
    }),
  ];
}

function lookAt(path: string): 'file' | 'dir' | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  return stat.isDirectory() ? 'dir' : 'file';
}
