import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** `server.json` in the data folder: where the running server answers, for client commands and for `arc down`. */
export interface ServerFile {
  readonly api: string;
  readonly edge: string;
  readonly domain: string;
  readonly pid: number;
  /** Start time of the process in clock ticks: a pid alone proves nothing. */
  readonly pidStart: number;
  readonly version: string;
}

const pathIn = (dataDir: string): string => join(dataDir, 'server.json');

export function writeServerFile(dataDir: string, server: ServerFile): void {
  writeFileSync(`${pathIn(dataDir)}.new`, `${JSON.stringify(server)}\n`, { mode: 0o644 });
  renameSync(`${pathIn(dataDir)}.new`, pathIn(dataDir));
}

/** Only its own: another server may have written it anew meanwhile. */
export function removeServerFile(dataDir: string, pid: number): void {
  if (readServerFile(dataDir)?.pid === pid) rmSync(pathIn(dataDir), { force: true });
}

export function readServerFile(dataDir: string): ServerFile | undefined {
  try {
    return JSON.parse(readFileSync(pathIn(dataDir), 'utf8')) as ServerFile;
  } catch {
    return undefined;
  }
}

/** The server that the file names, if that very process still runs. */
export function runningServer(dataDir: string): ServerFile | undefined {
  const server = readServerFile(dataDir);
  return server !== undefined && processStart(server.pid) === server.pidStart ? server : undefined;
}

/** Field 22 of /proc/PID/stat; undefined for a process that is not there, or is a zombie. */
export function processStart(pid: number): number | undefined {
  if (!existsSync('/proc/self/stat')) return answersSignals(pid) ? 0 : undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}

/** All that can be known where there is no /proc, such as on macOS. */
function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
