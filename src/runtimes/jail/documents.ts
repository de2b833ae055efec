import { join } from 'node:path';
import type { OciProcess } from '../oci/process.ts';
import type { SandboxFolder } from '../oci/sandbox-folder.ts';

/**
 * What `arc-jail` reads: fields, `key=value` and a NUL each. The values come from the same document that a container's
 * process is described by, so limits, user and capabilities can't differ.
 */

/** Numbers of `asm-generic/resource.h`, which x86-64 and arm64 use. */
const RESOURCES: Readonly<Record<string, number>> = {
  RLIMIT_CORE: 4,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
};

/** Numbers of `linux/capability.h`, of what a template may ask for. */
const CAPABILITIES: Readonly<Record<string, number>> = {
  CAP_CHOWN: 0,
  CAP_DAC_OVERRIDE: 1,
  CAP_FOWNER: 3,
  CAP_FSETID: 4,
  CAP_KILL: 5,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_NET_BIND_SERVICE: 10,
  CAP_SYS_CHROOT: 18,
};

type Field = readonly [key: string, value: string | number];

/** One command: the program of the jail, or a later one. */
export function processDocument(command: OciProcess): string {
  const { user, terminal, consoleSize } = command;
  return text([
    ...command.args.map((arg): Field => ['arg', arg]),
    ...command.env.map((variable): Field => ['env', variable]),
    ['cwd', command.cwd],
    ['uid', user.uid],
    ['gid', user.gid],
    ...user.additionalGids.map((gid): Field => ['group', gid]),
    ...command.capabilities.bounding.map((name): Field => ['cap', numberOf(CAPABILITIES, name)]),
    ...command.rlimits.map(({ type, hard }): Field => ['rlimit', `${numberOf(RESOURCES, type)}:${hard}`]),
    ...(terminal ? ([['tty', 1]] satisfies Field[]) : []),
    ...(consoleSize
      ? ([
          ['cols', consoleSize.width],
          ['rows', consoleSize.height],
        ] satisfies Field[])
      : []),
  ]);
}

/** A start: the jailer's command line, the filter, and the program behind them. */
export function startDocument(
  command: OciProcess,
  folder: SandboxFolder,
  jailer: readonly string[],
  filter: Buffer,
): string {
  const fields: readonly Field[] = [
    ...jailer.map((arg): Field => ['jailer', arg]),
    ['filter', filter.toString('hex')],
    ['socket', socketOf(folder)],
    ['pidFile', join(folder.runtime, 'pid')],
    ['oom', command.oomScoreAdj],
  ];
  return text(fields) + processDocument(command);
}

/** Where the jail's first process listens: in a folder of root's only, and not to be seen from inside. */
export function socketOf(folder: SandboxFolder): string {
  return join(folder.runtime, 'init.sock');
}

/** A capability or limit without a number would be dropped silently; it is refused instead. */
function numberOf(table: Readonly<Record<string, number>>, name: string): number {
  const number = table[name];
  if (number === undefined) throw new Error(`a jail knows no ${name}`);
  return number;
}

function text(fields: readonly Field[]): string {
  return fields
    .map(([key, value]) => {
      const line = `${key}=${value}`;
      if (line.includes('\0')) throw new Error(`${key}: a NUL character can not be passed to a program`);
      return `${line}\0`;
    })
    .join('');
}
