import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CgroupPaths } from './usage.ts';

/**
 * Gives memory of a frozen sandbox back as far as the kernel can: cached files always, its own pages where the host has
 * swap (zram counts). A sandbox that runs may not swap; one that stands still may. What is left stays where it is, so
 * nothing here is an error.
 */
export async function pushOut(paths: CgroupPaths): Promise<void> {
  if (paths.version === 1) {
    await write(join(paths.memory, 'memory.force_empty'), '0');
    return;
  }
  const held = Number(await text(join(paths.memory, 'memory.current')));
  if (!(held > 0)) return;
  if (await hasSwap()) await write(join(paths.memory, 'memory.swap.max'), 'max');
  await write(join(paths.memory, 'memory.reclaim'), String(held));
}

/** It runs again: what was swapped comes back as it is used, and nothing more goes out. */
export async function keepIn(paths: CgroupPaths): Promise<void> {
  if (paths.version === 2 && (await hasSwap())) await write(join(paths.memory, 'memory.swap.max'), '0');
}

async function hasSwap(): Promise<boolean> {
  return Number(/^SwapTotal:\s+([0-9]+)/m.exec(await text('/proc/meminfo'))?.[1] ?? 0) > 0;
}

/** The kernel says EAGAIN when it found less than was asked for, and knows no such file before 5.19. */
async function write(path: string, value: string): Promise<void> {
  await writeFile(path, value, { flag: 'r+' }).catch(() => {});
}

async function text(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(() => '');
}
