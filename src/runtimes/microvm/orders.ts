import { join } from 'node:path';
import { LOG_RATE_DEFAULT } from '../../domain/log-rate.ts';
import { roundedSize } from '../../host/disk/blanks.ts';
import type { HelperStart } from '../../host/helper/port.ts';
import type { StartOrder } from '../runtime.ts';
import type { MicrovmDeps } from './deps.ts';
import type { Machine, MachineFiles } from './monitor.ts';
import { macOf } from './tap.ts';

const START_TIMEOUT_MS = 30_000;
const MIB = 1024 * 1024;
/** The kernel inside, its page tables and its first program: what a machine takes before its program has anything. */
const KERNEL_BYTES = 96 * MIB;
/** The helper wants a writable layer for the root that it mounts; a machine has its own, and this one stays empty. */
const UNUSED_LAYER = { kind: 'memory', bytes: MIB, inodes: 64, fresh: true } as const;
/** Threads of the monitor, and what confines it. */
const MONITOR_TASKS = 64;

export interface MachineFolder {
  readonly dir: string;
  readonly record: string;
  /** Sockets, pid and exit of the monitor; owned by root of the sandbox. */
  readonly state: string;
  readonly guest: string;
  readonly exit: string;
  readonly tap: string;
  readonly disk: string;
}

export function machineFolder(sandboxesDir: string, id: string): MachineFolder {
  const dir = join(sandboxesDir, id);
  const state = join(dir, 'state');
  return {
    ...{ dir, state, record: join(dir, 'agent.json'), disk: join(dir, 'disk.img') },
    ...{ guest: join(state, 'guest'), exit: join(state, 'exit'), tap: join(state, 'tap') },
  };
}

/** Says everything to the helper; pure, so that a test can read what would be done. */
export function helperStart(
  deps: MicrovmDeps,
  order: StartOrder,
  machine: Machine,
  folder: MachineFolder,
  root: string,
  saved?: string,
): HelperStart {
  const { plan, monitor } = deps;
  const { limits, network, logBytes, logRate = LOG_RATE_DEFAULT } = order.spec;
  const ids = plan.ids(order.slot);
  const files: MachineFiles = {
    ...{ kit: deps.kit, root, state: folder.state, tap: folder.tap, owner: ids.hostBase },
    printed: { stdout: join(folder.dir, 'stdout'), stderr: join(folder.dir, 'stderr') },
    ...(machine.diskBytes !== undefined && { disk: folder.disk }),
    ...(saved !== undefined && { saved }),
  };
  const { argv, pidFile, follow } = monitor.launch(machine, files);
  return {
    ...{ id: order.id, incarnation: order.incarnation, dir: folder.dir, slot: order.slot, ids },
    net: {
      ...{ address: plan.address(order.slot), gateway: plan.gateway, mtu: plan.mtu },
      hostInterface: plan.hostInterface(order.slot, network),
    },
    lowers: [deps.rootMount],
    idmap: 'none',
    upper: UNUSED_LAYER,
    rootMount: deps.rootMount,
    cgroup: {
      memoryBytes: machine.memoryBytes + monitor.overheadBytes,
      cpus: limits.cpus,
      pids: MONITOR_TASKS,
    },
    log: { bytes: logBytes, bytesPerSecond: logRate },
    stdioUid: ids.hostBase,
    argv,
    pidFile,
    timeoutMs: START_TIMEOUT_MS,
    follow,
  };
}

export function machineOf(order: StartOrder, mtu: number, purpose: Machine['purpose']): Machine {
  const { limits } = order.spec;
  return {
    memoryBytes: Math.ceil((limits.memoryBytes + KERNEL_BYTES) / MIB) * MIB,
    cpus: Math.max(1, Math.ceil(limits.cpus)),
    mac: macOf(order.slot, 'sandbox'),
    mtu,
    ...(limits.diskKind === 'image' && { diskBytes: roundedSize(limits.diskBytes) }),
    purpose,
  };
}
