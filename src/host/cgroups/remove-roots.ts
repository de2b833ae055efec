import { readFile, rmdir } from 'node:fs/promises';

/** Removes the empty folder `arc` of every hierarchy. One that another Arc still uses is not empty, and stays. */
export async function removeCgroupRoots(): Promise<void> {
  for (const point of cgroupMounts(await readFile('/proc/self/mountinfo', 'utf8'))) {
    // rmdir of the kernel refuses what is in use; there is nothing else to know about it here.
    await rmdir(`${point}/arc`).catch(() => {});
  }
}

export function cgroupMounts(mountinfo: string): readonly string[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const point = before.split(' ')[4];
    return point !== undefined && /^cgroup2? /.test(after) ? [point] : [];
  });
}
