import { chmodSync, lchownSync, lstatSync, opendirSync } from 'node:fs';
import { join } from 'node:path';
import type { HostIds } from './layer-copies.ts';

/** As for every id that a sandbox does not have. */
const NOBODY = 65_534;
const SET_ID_BITS = 0o6000;

/**
 * Gives everything beneath `root` to the ids of one sandbox; `root` itself stays. Nobody else writes there. A file with
 * several names is changed once; the kernel clears set-id bits at a change of owner, so they are set again.
 *
 * File capabilities do not live through it. Layers have none: they are left out when a layer is unpacked.
 */
export function shiftOwners({ root, ids }: { readonly root: string; readonly ids: HostIds }): void {
  const done = new Set<number>();
  const shifted = (id: number) => ids.hostBase + (id < ids.count ? id : NOBODY);
  const walk = (folder: Buffer) => {
    const entries = opendirSync(folder, { encoding: 'buffer' as BufferEncoding });
    try {
      for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
        const path = Buffer.concat([folder, SLASH, entry.name as unknown as Buffer]);
        const stat = lstatSync(path);
        if (!(stat.nlink > 1 && !stat.isDirectory() && done.has(stat.ino))) {
          lchownSync(path, shifted(stat.uid), shifted(stat.gid));
          if ((stat.mode & SET_ID_BITS) !== 0 && !stat.isSymbolicLink()) chmodSync(path, stat.mode & 0o7777);
          if (stat.nlink > 1) done.add(stat.ino);
        }
        if (stat.isDirectory()) walk(path);
      }
    } finally {
      entries.closeSync();
    }
  };
  walk(Buffer.from(join(root, '.')));
}

const SLASH = Buffer.from('/');
