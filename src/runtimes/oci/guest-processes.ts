import type { ProcessInfo } from '../../engines/engine.ts';

/**
 * The process list of gVisor's own kernel, from the table that `runsc ps` prints. It tells neither state nor memory of a
 * process: to this machine all of them are threads of one.
 */
export function guestProcesses(table: string): readonly ProcessInfo[] {
  const [header = '', ...lines] = table.split('\n').filter((line) => line.trim() !== '');
  const names = header.trim().split(/\s+/);
  const command = names.indexOf('CMD');
  const number = (fields: readonly string[], name: string) => Number(fields[names.indexOf(name)] ?? 0) || 0;
  if (command < 0) return [];
  return lines
    .map((line) => line.trim().split(/\s+/))
    .map((fields) => ({
      pid: number(fields, 'PID'),
      ppid: number(fields, 'PPID'),
      uid: number(fields, 'UID'),
      state: '?',
      rssBytes: 0,
      command: fields.slice(command).join(' '),
    }));
}
