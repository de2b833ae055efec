import { readFile } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import type { MemoryPressure } from '../engines/engine.ts';

const KIB = 1024;

export async function readMemoryPressure(): Promise<MemoryPressure> {
  const [meminfo, stalls] = await Promise.all([text('/proc/meminfo'), text('/proc/pressure/memory')]);
  // Other systems than Linux have no such file.
  if (meminfo === '') return { totalBytes: totalmem(), availableBytes: freemem() };
  return memoryPressure(meminfo, stalls);
}

/** Of `/proc/meminfo` and `/proc/pressure/memory`; the latter is empty on kernels without it. */
export function memoryPressure(meminfo: string, stalls: string): MemoryPressure {
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+([0-9]+)`, 'm').exec(meminfo)?.[1] ?? 0);
  const some = /^some avg10=([0-9.]+)/m.exec(stalls)?.[1];
  return {
    totalBytes: kib('MemTotal') * KIB,
    availableBytes: kib('MemAvailable') * KIB,
    ...(some === undefined ? {} : { stalledPercent: Number(some) }),
  };
}

async function text(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch(() => '');
}
