import { readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cgroupRoot } from './root.ts';

/** Removes this data folder's empty folder of every hierarchy. */
export async function removeCgroupRoots(dataDir: string): Promise<void> {
  for (const point of cgroupMounts(await readFile('/proc/self/mountinfo', 'utf8'))) {
    // rmdir of the kernel refuses what is in use; there is nothing else to know about it here.
    await rmdir(join(point, cgroupRoot(dataDir))).catch(() => {});
  }
}

export function cgroupMounts(mountinfo: string): readonly string[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const point = before.split(' ')[4];
    return point !== undefined && /^cgroup2? /.test(after) ? [point] : [];
  });
}
