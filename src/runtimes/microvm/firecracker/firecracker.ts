import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../../../kit/clock.ts';
import { INSIDE, type Machine, type MachineFiles, type Monitor, memoryOf } from '../monitor.ts';
import { FirecrackerApi } from './api.ts';
import { beginCalls, saveCalls } from './calls.ts';

const MIB = 1024 * 1024;
/** Its own, and what takes the program's words out. */
const OWN_BYTES = 64 * MIB;
const LAUNCH = fileURLToPath(new URL('launch.sh', import.meta.url));
/** Of the one machine in its jail. */
const ID = 'vm';
const VSOCK_PORT = 1;
const NOBODY = 65_534;
const OPEN_FILES = 256;

export interface FirecrackerOptions {
  /** Absolute paths. The folder in the jail is named after the program. */
  readonly program: string;
  readonly jailer: string;
  readonly setpriv: string;
  readonly unshare: string;
  readonly clock: Clock;
}

/**
 * Firecracker in its own jailer: a root with nothing but the machine's files, namespaces of its own, a user without a right.
 * It is told over its socket what to be. It needs KVM; whoever makes this has looked.
 */
export function firecracker(options: FirecrackerOptions): Monitor {
  const { program, setpriv, unshare, clock } = options;
  const api = (state: string) => new FirecrackerApi(join(state, 'control'), clock);
  return {
    name: 'firecracker',
    program,
    emulated: false,
    overheadBytes: OWN_BYTES,
    vsockPort: VSOCK_PORT,
    saverUid: NOBODY,
    launch: (machine, files) => ({
      argv: launchArgv(options, 'sandbox', machine, files),
      pidFile: `state/${basename(program)}/${ID}/root/${basename(program)}.pid`,
      follow: 'pid-file',
    }),
    alone: (machine, files) => [
      // Dead when we are, and all of it with the first process of its namespace.
      ...[setpriv, '--pdeathsig', 'KILL', unshare, '--mount', '--net', '--pid', '--fork', '--kill-child'],
      ...['--propagation', 'private', '--', ...launchArgv(options, 'alone', machine, files)],
    ],
    begin: async (machine, state, signal) => {
      const at = api(state);
      await at.ready(signal);
      await at.all(beginCalls(machine), signal);
    },
    save: (_machine, state, signal) => api(state).all(saveCalls(), signal),
  };
}

function launchArgv(
  { program, jailer }: FirecrackerOptions,
  where: 'sandbox' | 'alone',
  machine: Machine,
  files: MachineFiles,
): readonly string[] {
  const base = files.state;
  const held: readonly (readonly [string, string])[] = [
    [files.kit.kernel, INSIDE.kernel],
    [files.kit.initrd, INSIDE.initrd],
    [files.root, INSIDE.root],
    ...(files.disk === undefined ? [] : [[files.disk, INSIDE.disk] as const]),
    ...(machine.purpose !== 'load' || files.saved === undefined
      ? []
      : ([
          [files.saved, INSIDE.saved],
          [memoryOf(files.saved), INSIDE.memory],
        ] as const)),
  ];
  const owner = String(files.owner);
  return [
    ...['/bin/sh', LAUNCH, where, owner, join(base, basename(program), ID, 'root'), files.tap ?? '', base],
    ...held.flat(),
    ...['--', jailer, '--id', ID, '--exec-file', program, '--uid', owner, '--gid', owner, '--chroot-base-dir', base],
    ...(where === 'sandbox' ? ['--new-pid-ns'] : []),
    ...['--resource-limit', `no-file=${OPEN_FILES}`],
    ...['--', '--api-sock', INSIDE.control, '--level', 'Error'],
  ];
}
