import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const CONTROLLERS = ['memory', 'cpu', 'cpuacct', 'pids', 'freezer'] as const;
type Controller = (typeof CONTROLLERS)[number];

/** Where this machine's cgroups are mounted. */
export interface Hierarchies {
  readonly version: 1 | 2;
  /** Of v1, each with those of its controllers that are of use here; a controller is in one hierarchy only. */
  readonly v1: readonly { readonly path: string; readonly controllers: readonly Controller[] }[];
  readonly unified?: string;
  /** A tree of plain files that stands for one, and the mounts of the machine beside it. For tests. */
  readonly files?: true;
  /** The v2 half of a hybrid machine. */
  readonly hide?: string;
}

export function hierarchies(mountinfo: string): Hierarchies {
  const found = new Set<Controller>();
  const v1: { path: string; controllers: readonly Controller[] }[] = [];
  let unified: string | undefined;
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const path = before.split(' ')[4] ?? '';
    const [type, , options = ''] = after.split(' ');
    if (type === 'cgroup2') unified ??= path;
    if (type !== 'cgroup') continue;
    const names = options.split(',');
    const controllers = CONTROLLERS.filter((name) => names.includes(name) && !found.has(name));
    for (const name of controllers) found.add(name);
    if (controllers.length > 0) v1.push({ path, controllers });
  }
  const version = found.has('memory') || found.has('pids') ? 1 : 2;
  const hide = v1.length > 0 ? unified : undefined;
  return { version, v1, ...(unified !== undefined && { unified }), ...(hide !== undefined && { hide }) };
}

export function hierarchiesHere(): Hierarchies {
  return hierarchies(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** Folders of a sandbox's group, by what is read there. */
export function groupPaths({ version, v1, unified }: Hierarchies, group: string, id: string) {
  const path = (controller: Controller) => {
    const root = version === 2 ? unified : v1.find(({ controllers }) => controllers.includes(controller))?.path;
    return join(root ?? '/nowhere', group, id);
  };
  return { memory: path('memory'), cpu: path('cpu'), cpuacct: path('cpuacct'), pids: path('pids'), version };
}

/** A tree of plain files in place of the kernel's, for tests; what runtimes see of the machine stays as it is. */
export function hierarchiesOfFiles(version: 1 | 2, dir: string): Hierarchies {
  const { hide } = hierarchiesHere();
  const v1 = version === 1 ? CONTROLLERS.map((name) => ({ path: join(dir, name), controllers: [name] })) : [];
  return { version, v1, files: true, ...(version === 2 && { unified: dir }), ...(hide !== undefined && { hide }) };
}

/** What the helper is told of them: see `native/PROTOCOL.md`. */
export function hierarchyArgs({ version, v1, unified, files, hide }: Hierarchies): readonly string[] {
  return [
    `version=${version}`,
    ...(files ? ['files=1'] : []),
    ...v1.map(({ path, controllers }) => `${controllers.join(',')}=${path}`),
    ...(unified === undefined ? [] : [`unified=${unified}`]),
    ...(hide === undefined ? [] : [`hide=${hide}`]),
  ];
}
