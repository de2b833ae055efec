import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import type { HelperStart } from '../helper/port.ts';
import { limits } from '../helper/start-fields.ts';
import type { CgroupPaths } from './usage.ts';

/**
 * Changes the limits of a sandbox that runs. Less memory than it uses is refused, as the kernel would kill for it.
 * Throws memory_too_small.
 */
export async function writeLimits(paths: CgroupPaths, wanted: HelperStart['cgroup']): Promise<void> {
  const usage = paths.version === 2 ? 'memory.current' : 'memory.usage_in_bytes';
  if (Number(await readFile(join(paths.memory, usage), 'utf8')) >= wanted.memoryBytes) {
    throw new ArcError('memory_too_small', 'it uses more memory than that already');
  }
  const lines = limits(wanted, paths.version);
  const memory = lines.filter((line) => controllerOf(line) === 'memory');
  // The limit of memory may never be above that of memory and swap, so that growing goes the other way around.
  await writeAll(paths, memory).catch(() => writeAll(paths, memory.toReversed()));
  await writeAll(
    paths,
    lines.filter((line) => controllerOf(line) !== 'memory'),
  );
}

async function writeAll(paths: CgroupPaths, lines: readonly string[]): Promise<void> {
  for (const line of lines) {
    const [, optional, file = '', value = ''] = /^(\??)([^=]+)=(.*)$/.exec(line) ?? [];
    const folder = paths[controllerOf(line)];
    await writeFile(join(folder, file), value, { flag: 'r+' }).catch((error: unknown) => {
      const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      if (!(optional === '?' && missing)) throw error;
    });
  }
}

function controllerOf(line: string): 'memory' | 'cpu' | 'pids' {
  const name = line.replace('?', '').split('.', 1)[0];
  if (name === 'memory' || name === 'cpu' || name === 'pids') return name;
  throw new ArcError('internal', `no cgroup controller for ${line}`);
}
