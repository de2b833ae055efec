import { readFile } from 'node:fs/promises';
import type { ProcessInfo } from '../../engines/engine.ts';

const PROCESSES_SHOWN_MAX = 1024;
const COMMAND_BYTES_MAX = 4096;
const KIB = 1024;

/** Reads one file of `/proc/PID`; rejects when the process is gone. */
export type ReadProc = (pid: number, file: 'status' | 'cmdline') => Promise<string>;

export const readProc: ReadProc = (pid, file) => readFile(`/proc/${pid}/${file}`, 'utf8');

/**
 * Processes as a person inside sees them: pids and parents of the sandbox's own pid namespace, uids of its own user
 * namespace. A process that ends while we look is left out.
 * @param hostBase first host uid of the sandbox
 */
export async function processList(
  hostPids: readonly number[],
  hostBase: number,
  read: ReadProc,
): Promise<readonly ProcessInfo[]> {
  const shown = hostPids.slice(0, PROCESSES_SHOWN_MAX);
  const rows = await Promise.all(shown.map((pid) => readOne(pid, read).catch(() => undefined)));
  const found = rows.filter((row) => row !== undefined);
  const inside = new Map(found.map((row) => [row.hostPid, row.pid]));
  return found
    .filter((row) => row.inside)
    .map((row) => ({
      pid: row.pid,
      ppid: inside.get(row.hostParent) ?? 0,
      uid: row.uid - hostBase,
      state: row.state,
      rssBytes: row.rssBytes,
      command: row.command,
    }))
    .filter((row) => row.uid >= 0)
    .sort((a, b) => a.pid - b.pid);
}

async function readOne(hostPid: number, read: ReadProc) {
  const [status, cmdline] = await Promise.all([read(hostPid, 'status'), read(hostPid, 'cmdline')]);
  const value = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1] ?? '';
  const command = cmdline.slice(0, COMMAND_BYTES_MAX).replaceAll('\0', ' ').trim();
  const pids = value('NSpid').split(/\s+/);
  return {
    hostPid,
    /** A runtime that stays as the parent of a sandbox has one number only: it is in no pid namespace of the sandbox's. */
    inside: pids.length > 1,
    pid: Number(pids.at(-1)),
    hostParent: Number(value('PPid')),
    uid: Number(value('Uid').split(/\s+/)[0]),
    state: value('State').slice(0, 1),
    rssBytes: Number.parseInt(value('VmRSS') || '0', 10) * KIB,
    command: command === '' ? `[${value('Name')}]` : command,
  };
}
