import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeHelper } from '../helper/port.ts';

export type CgroupPaths = ReturnType<NodeHelper['cgroupPaths']>;

export interface Usage {
  readonly cpuMs: number;
  readonly memoryBytes: number;
  readonly pids: number;
}

const NS_PER_MS = 1_000_000;
const US_PER_MS = 1000;

/** What a sandbox uses, of its cgroup files; what can't be read counts as nothing, since it is on its way out then. */
export async function readUsage(paths: CgroupPaths): Promise<Usage> {
  return paths.version === 2 ? await usageV2(paths) : await usageV1(paths);
}

async function usageV2(paths: CgroupPaths): Promise<Usage> {
  const [cpu, memory, stat, pids] = await Promise.all([
    text(paths.cpuacct, 'cpu.stat'),
    text(paths.memory, 'memory.current'),
    text(paths.memory, 'memory.stat'),
    text(paths.pids, 'pids.current'),
  ]);
  return {
    cpuMs: field(cpu, 'usage_usec') / US_PER_MS,
    memoryBytes: Math.max(0, number(memory) - field(stat, 'inactive_file')),
    pids: number(pids),
  };
}

async function usageV1(paths: CgroupPaths): Promise<Usage> {
  const [cpu, memory, stat, pids] = await Promise.all([
    text(paths.cpuacct, 'cpuacct.usage'),
    text(paths.memory, 'memory.usage_in_bytes'),
    text(paths.memory, 'memory.stat'),
    text(paths.pids, 'pids.current'),
  ]);
  return {
    cpuMs: number(cpu) / NS_PER_MS,
    memoryBytes: Math.max(0, number(memory) - field(stat, 'total_inactive_file')),
    pids: number(pids),
  };
}

/** Host pids of everything in the sandbox. */
export async function readPids(paths: CgroupPaths): Promise<readonly number[]> {
  return (await text(paths.pids, 'cgroup.procs'))
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

async function text(folder: string, file: string): Promise<string> {
  return await readFile(join(folder, file), 'utf8').catch(() => '');
}

function number(content: string): number {
  const value = Number(content.trim());
  return Number.isFinite(value) ? value : 0;
}

function field(content: string, name: string): number {
  return number(new RegExp(`^${name} ([0-9]+)$`, 'm').exec(content)?.[1] ?? '0');
}
