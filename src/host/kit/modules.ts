import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';

/** A module and, before it, all that it needs, each once. */
export interface KernelModule {
  readonly name: string;
  readonly data: Buffer;
}

/**
 * The modules `wanted` of an unpacked kernel package, in an order in which they can be loaded one by one. What a module needs
 * stands in itself (`depends=` in its .modinfo), so no index of the package has to be made. What is not there as a module is
 * taken for built in.
 */
export async function modulesInOrder(libModules: string, wanted: readonly string[]): Promise<readonly KernelModule[]> {
  const files = new Map<string, string>();
  for (const path of await readdir(libModules, { recursive: true })) {
    if (path.endsWith('.ko')) files.set(moduleName(path), join(libModules, path));
  }
  const ordered = new Map<string, KernelModule>();
  const visit = async (name: string, path: readonly string[]): Promise<void> => {
    const file = files.get(name);
    if (file === undefined || ordered.has(name)) return;
    if (path.includes(name))
      throw new ArcError('host_unfit', `the kernel's modules need each other: ${path.join(', ')}`);
    const data = await readFile(file);
    for (const before of dependsOf(data)) await visit(before, [...path, name]);
    ordered.set(name, { name, data });
  };
  for (const name of wanted) await visit(name, []);
  return [...ordered.values()];
}

const moduleName = (path: string): string => basename(path, '.ko').replaceAll('-', '_');

export function dependsOf(module: Buffer): readonly string[] {
  const at = module.indexOf('\0depends=');
  if (at < 0) return [];
  const end = module.indexOf(0, at + 1);
  const names = module.toString('latin1', at + '\0depends='.length, end);
  return names
    .split(',')
    .filter((name) => name !== '')
    .map((name) => name.replaceAll('-', '_'));
}
