import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ElfNeeds } from '../../host/builtins/elf.ts';
import type { EngineName } from './order.ts';

/** What a worker is made of and put in: found out once, the same for all. */
export interface WorkerHost {
  /** Absolute path of Node. */
  readonly node: string;
  /** The folder that holds `src` and `node_modules`. */
  readonly project: string;
  /** Where the machine has one: workers see their own files only, no network and no other process, and few system calls. */
  readonly jail?: {
    readonly bwrap: string;
    /** File with the kernel's program of allowed system calls. */
    readonly filter: string;
    /** Files that Node needs to be loaded: where they are seen, and where they are. */
    readonly libraries: readonly (readonly [seen: string, real: string])[];
  };
  /** This process is root: workers become somebody without any rights at their very start. */
  readonly root: boolean;
}

/** KiB of data that an engine takes by itself, and then some: what is beyond the memory of its program. */
const ENGINE_DATA_KIB: Readonly<Record<EngineName, number>> = { js: 1_048_576, python: 1_572_864, wasi: 1_048_576 };
/** What Node is given to be loaded, descriptors included. */
const OPEN_FILES = 64;
export const FD_CONTROL = 3;
/** bubblewrap says here which process is the first of the jail. */
export const FD_INFO = 4;
export const FD_FILTER = 5;

/** s of processor time: whatever became of the server, no program goes on for ever. */
const CPU_S = 86_400;

const SET_LIMITS = `ulimit -c 0; ulimit -t ${CPU_S}; ulimit -f 0; ulimit -n ${OPEN_FILES}; ulimit -d "$1" 2>/dev/null; shift; exec "$@"`;

export interface WorkerShape {
  readonly engine: EngineName;
  readonly memoryBytes: number;
  /** With whose rights, where this process is root. */
  readonly uid: number;
  readonly snapshot?: string;
}

/** The whole command line of one worker. */
export function workerArgv(host: WorkerHost, shape: WorkerShape): readonly string[] {
  const { node, project, jail } = host;
  const readable = readableBy(project, shape);
  const flags = [
    '--permission',
    ...readable.map((path) => `--allow-fs-read=${path}`),
    ...['--disallow-code-generation-from-strings', '--disable-proto=delete', '--no-addons'],
    ...['--no-global-search-paths', '--disable-warning=ExperimentalWarning', '--disable-warning=SecurityWarning'],
    join(project, 'src/runtimes/wasm/worker/main.ts'),
    ...['--engine', shape.engine],
    ...(host.root ? ['--uid', String(shape.uid)] : []),
    ...(shape.snapshot === undefined ? [] : ['--snapshot', shape.snapshot]),
  ];
  const dataKib = ENGINE_DATA_KIB[shape.engine] + Math.ceil(shape.memoryBytes / 1024);
  const limited = ['/bin/sh', '-c', SET_LIMITS, 'sh', String(dataKib)];
  return [...limited, ...(jail === undefined ? [] : jailArgv(host, jail, readable)), node, ...flags];
}

/** bubblewrap. One line for each thing that it makes, to be read beside `bwrap(1)`. */
function jailArgv(
  host: WorkerHost,
  jail: NonNullable<WorkerHost['jail']>,
  readable: readonly string[],
): readonly string[] {
  const shown: readonly (readonly [string, string])[] = [
    [host.node, host.node],
    ...jail.libraries,
    ...readable.map((path) => [path, path] as const),
  ];
  return [
    jail.bwrap,
    ...(host.root ? [] : ['--unshare-user']),
    ...['--unshare-net', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    // Its own first process, which keeps what a change of user would undo: that it dies with this process, and all with it.
    ...['--die-with-parent', '--new-session', '--hostname', 'wasm', '--clearenv'],
    // By itself bubblewrap lets nobody but root through the folders that it makes.
    ...foldersOf(shown.map(([seen]) => seen)).flatMap((path) => ['--perms', '0755', '--dir', path]),
    ...shown.flatMap(([seen, real]) => ['--ro-bind', real, seen]),
    ...['--dev-bind', '/dev/null', '/dev/null', '--remount-ro', '/', '--chdir', '/'],
    ...['--cap-drop', 'ALL', ...(host.root ? ['--cap-add', 'CAP_SETUID', '--cap-add', 'CAP_SETGID'] : [])],
    ...['--info-fd', String(FD_INFO), '--seccomp', String(FD_FILTER), '--'],
  ];
}

/** All that lie above these paths, highest first. */
function foldersOf(paths: readonly string[]): readonly string[] {
  const above = (path: string): readonly string[] => {
    const parent = dirname(path);
    return parent === '/' ? [] : [...above(parent), parent];
  };
  return [...new Set(paths.flatMap(above))].sort();
}

const PACKAGES: Readonly<Record<EngineName, readonly string[]>> = {
  js: ['quickjs-emscripten-core', '@jitl/quickjs-wasmfile-release-sync', '@jitl/quickjs-ffi-types'],
  python: ['pyodide'],
  wasi: ['@bjorn3/browser_wasi_shim'],
};

/** All that a worker may read, jail or not. */
function readableBy(project: string, { engine, snapshot }: WorkerShape): readonly string[] {
  const own = ['package.json', 'src/runtimes/wasm/order.ts', 'src/runtimes/wasm/worker'];
  const packages = PACKAGES[engine].map((name) => join('node_modules', name));
  return [...own, ...packages].map((path) => join(project, path)).concat(snapshot === undefined ? [] : [snapshot]);
}

/** Opens what the jail reads; the caller closes it once the worker has been started. */
export function openFilter(jail: WorkerHost['jail']): { readonly fd: number; close(): void } | undefined {
  if (jail === undefined) return undefined;
  const fd = openSync(jail.filter, 'r');
  return { fd, close: () => closeSync(fd) };
}

/**
 * The files that the loader takes in for a program, of this very process: it runs the same one.
 * @param maps `/proc/self/maps`
 */
export function librariesOf(
  program: string,
  maps: string,
  read: (path: string) => ElfNeeds | undefined,
): readonly (readonly [string, string])[] {
  const folders = new Set(
    maps.split('\n').flatMap((line) => (/ r-xp .*\.so/.test(line) ? [dirname(line.slice(line.indexOf('/')))] : [])),
  );
  const found = new Map<string, string>();
  const take = (path: string): void => {
    const needs = read(path);
    if (needs?.interpreter !== undefined) found.set(needs.interpreter, needs.interpreter);
    for (const name of needs?.libraries ?? []) {
      const at = [...folders].map((folder) => join(folder, name)).find((one) => existsSync(one));
      if (at === undefined || found.has(at)) continue;
      found.set(at, at);
      take(at);
    }
  };
  take(program);
  return [...found];
}

export const ownMaps = (): string => readFileSync('/proc/self/maps', 'utf8');
