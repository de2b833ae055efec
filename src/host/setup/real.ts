import { mkdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { PolicyFile } from './apt.ts';

export const realPolicyFile: PolicyFile = {
  create: (path, content) => {
    try {
      writeFileSync(path, content, { flag: 'wx', mode: 0o755 });
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
      throw error;
    }
  },
  read: readText,
  remove: (path) => {
    try {
      unlinkSync(path);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  },
};

/** Kept in the data folder as `setup.json`. A file that can't be understood is as good as none: apt is then asked once more. */
export function rememberedIn(dataDir: string): { read(): readonly string[]; write(packages: readonly string[]): void } {
  const path = join(dataDir, 'setup.json');
  return {
    read: () => {
      try {
        const kept: unknown = JSON.parse(readText(path) ?? '{}');
        const tried = typeof kept === 'object' && kept !== null && 'tried' in kept ? kept.tried : [];
        return Array.isArray(tried) ? tried.filter((name) => typeof name === 'string') : [];
      } catch {
        return [];
      }
    },
    write: (packages) => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
      writeFileSync(`${path}.new`, `${JSON.stringify({ tried: packages })}\n`, { mode: 0o600 });
      renameSync(`${path}.new`, path);
    },
  };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
