import { readFile } from 'node:fs/promises';
import type { NodeReport } from '../../engines/engine.ts';

/** Which kind of cgroups the machine has mounted. Hybrid: controllers on v1, and a v2 hierarchy beside them. */
export function cgroupKind(mountinfo: string): NodeReport['cgroup'] {
  const types = mountinfo.split('\n').map((line) => line.split(' - ')[1]?.split(' ') ?? []);
  const v2 = types.some(([type]) => type === 'cgroup2');
  const v1 = types.some(([type, , options]) => type === 'cgroup' && /(^|,)(memory|pids|cpu)(,|$)/.test(options ?? ''));
  if (v1) return v2 ? 'hybrid' : 'v1';
  return v2 ? 'v2' : 'none';
}

export async function hostCgroupKind(): Promise<NodeReport['cgroup']> {
  return cgroupKind(await readFile('/proc/self/mountinfo', 'utf8'));
}
