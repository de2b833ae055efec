import { seccompFor } from './seccomp.ts';
import { SYSCALLS } from './syscalls.ts';

/**
 * uretprobe and uprobe: the kernel itself calls them from code that it has put into the program, lets them by every filter
 * (from 6.13 on), and ends who calls them from anywhere else.
 */
const PAST_ALL_FILTERS: Readonly<Record<string, readonly number[]>> = { x64: [335, 336] };

/** Numbers of what the list lets through, for every or for some arguments. @param arch Node's name of the architecture */
export function callsLetThrough(arch: string): ReadonlySet<number> {
  const table = SYSCALLS[arch];
  const names = seccompFor(arch, []).syscalls.flatMap(({ names, action }) =>
    action === 'SCMP_ACT_ALLOW' ? names : [],
  );
  return new Set(names.flatMap((name) => table?.get(name) ?? []).concat(PAST_ALL_FILTERS[arch] ?? []));
}

/** A name for people; a number that is in no list has none. */
export function callNames(arch: string): (number: number) => string {
  const names = new Map([...(SYSCALLS[arch] ?? [])].map(([name, number]) => [number, name]));
  return (number) => names.get(number) ?? 'on no list';
}
