import { readFile } from 'node:fs/promises';

const FALLBACK_KHZ = 2_000_000;

/** How fast the processors' time stamps run, as the kernel says it; what is a little off is put right by the kernel inside. */
export async function hostTscKhz(): Promise<number> {
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const mhz = Number(/^cpu MHz\s*:\s*([0-9.]+)/m.exec(text)?.[1]);
  return Number.isFinite(mhz) && mhz > 0 ? Math.round(mhz * 1000) : FALLBACK_KHZ;
}
