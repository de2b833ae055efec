import type { Cidr } from '../../domain/network/cidr.ts';
import type { RunResult } from '../../kit/run.ts';

/** All that the checks see of the machine, so that each can be shown one where it must go red. */
export interface Probe {
  /** Text of a file, or undefined where it can't be read. */
  readFile(path: string): string | undefined;
  exists(path: string): boolean;
  stat(path: string): FileFacts | undefined;
  /** Of the file system that holds this path, or its nearest parent that is there. */
  space(path: string): SpaceFacts | undefined;
  /** Where a program is along PATH. */
  find(program: string): string | undefined;
  run(argv: readonly string[], stdin?: string): Promise<RunResult>;
  /** Tries to listen: `free`, or the code of the error, such as EADDRINUSE. */
  listen(host: string, port: number): Promise<string>;
  /** IPv4 addresses of this host and the interfaces that have them. */
  addresses(): readonly { readonly device: string; readonly cidr: Cidr }[];
  processes(): readonly { readonly pid: number; readonly argv: readonly string[] }[];
  readonly machine: MachineFacts;
  /** ms since the epoch. */
  now(): number;
}

export interface FileFacts {
  readonly mode: number;
  readonly uid: number;
  readonly isFolder: boolean;
  readonly mtimeMs: number;
}

export interface SpaceFacts {
  readonly freeBytes: number;
  readonly totalBytes: number;
  readonly freeInodes: number;
  /** 0 on file systems that make them as they are needed. */
  readonly totalInodes: number;
}

export interface MachineFacts {
  /** Such as 6.1.0-18-amd64. */
  readonly kernel: string;
  readonly node: string;
  readonly uid: number;
  readonly memoryBytes: number;
}

/** A number that is all a file of /proc or /sys holds. */
export function readNumber(probe: Probe, path: string): number | undefined {
  const text = probe.readFile(path)?.trim();
  return text !== undefined && /^-?[0-9]+$/.test(text) ? Number(text) : undefined;
}

export interface Mount {
  readonly point: string;
  readonly type: string;
  /** Of the mount and of its file system, together. */
  readonly options: readonly string[];
}

export function mounts(probe: Pick<Probe, 'readFile'>): readonly Mount[] {
  const lines = probe.readFile('/proc/self/mountinfo')?.split('\n') ?? [];
  return lines.flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , , point, options = ''] = before.split(' ');
    const [type, , more = ''] = after.split(' ');
    if (point === undefined || type === undefined) return [];
    return [{ point: unescapeMount(point), type, options: [...options.split(','), ...more.split(',')] }];
  });
}

/** The mount that a path lies in: of the longest points above it the last, which hides those before it. */
export function mountOf(probe: Probe, path: string): Mount | undefined {
  const above = mounts(probe).filter(({ point }) => point === '/' || path === point || path.startsWith(`${point}/`));
  const longest = Math.max(0, ...above.map(({ point }) => point.length));
  return above.findLast(({ point }) => point.length === longest);
}

const unescapeMount = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
