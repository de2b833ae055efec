import { type Check, fail, ok, type Verdict } from '../check.ts';
import { mounts, type Probe } from '../probe.ts';

export type CgroupKind = 'v2' | 'v1' | 'hybrid' | 'none';

/** v2 alone, v1 alone, or v1 with an empty v2 beside it. */
export function cgroupKind(probe: Probe): CgroupKind {
  const all = mounts(probe);
  const v1 = all.some(({ type }) => type === 'cgroup');
  const v2 = all.some(({ type }) => type === 'cgroup2');
  if (v1) return v2 ? 'hybrid' : 'v1';
  return v2 ? 'v2' : 'none';
}

export const cgroupChecks: readonly Check[] = [
  {
    id: 'cgroup.kind',
    title: 'Control groups',
    cost: 'no sandbox can start: nothing would limit its memory, processor time and processes',
    fix: 'Mount the v2 hierarchy writable at /sys/fs/cgroup.',
    look: (probe) => {
      const kind = cgroupKind(probe);
      if (kind === 'none') return fail('none is mounted');
      const locked = mounts(probe).find(({ type, options }) => /^cgroup2?$/.test(type) && options.includes('ro'));
      return locked === undefined ? ok(kind) : fail(`${locked.point} is mounted read-only`);
    },
  },
  controller('memory', 'a sandbox could take all memory of the machine', 'cgroup_enable=memory'),
  controller('pids', 'a sandbox could fill the process table', 'cgroup_enable=pids'),
  controller('cpu', 'a sandbox could take all processor time', 'cgroup_enable=cpu'),
];

function controller(name: string, harm: string, bootOption: string): Check {
  return {
    id: `cgroup.${name}`,
    title: `Control of ${name}`,
    cost: `no sandbox can start: ${harm}`,
    fix: `Boot with \`${bootOption}\`, or let the parent group delegate the controller ${name}.`,
    look: (probe) => lookForController(probe, name),
  };
}

function lookForController(probe: Probe, name: string): Verdict {
  const all = mounts(probe);
  const mounted = all.find(({ type, options }) => type === 'cgroup' && options.includes(name));
  if (mounted !== undefined) return ok(`v1 at ${mounted.point}`);
  const unified = all.find(({ type }) => type === 'cgroup2');
  const controllers = probe.readFile(`${unified?.point}/cgroup.controllers`)?.split(/\s+/) ?? [];
  if (unified !== undefined && controllers.includes(name)) return ok(`v2 at ${unified.point}`);
  const line = probe
    .readFile('/proc/cgroups')
    ?.split('\n')
    .find((row) => row.startsWith(`${name}\t`));
  if (line === undefined) return fail('not in this kernel');
  return fail(line.endsWith('\t0') ? 'turned off at boot' : 'in the kernel, but no mounted hierarchy has it');
}
