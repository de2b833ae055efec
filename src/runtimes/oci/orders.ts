import { join } from 'node:path';
import type { Limits } from '../../contract/spec.ts';
import { LOG_RATE_DEFAULT } from '../../domain/log-rate.ts';
import type { ExecOrder } from '../../engines/engine.ts';
import type { BlankImage } from '../../host/disk/blanks.ts';
import { inodesFor, roundedSize } from '../../host/disk/blanks.ts';
import { type HelperExec, type HelperStart, NS_NET_PATH, NS_USER_PATH } from '../../host/helper/port.ts';
import type { StartOrder } from '../runtime.ts';
import type { CompiledFilters } from './compiled-filters.ts';
import { type ConfigOrder, type OciConfig, ociConfig } from './config.ts';
import type { OciDeps } from './deps.ts';
import { pidFileOf, stateRoot } from './flavour.ts';
import type { OciProcess } from './process.ts';
import type { SandboxRecord } from './record.ts';
import type { SandboxFolder } from './sandbox-folder.ts';
import { seccompFor } from './seccomp.ts';

const START_TIMEOUT_MS = 30_000;

export function configFor(deps: OciDeps, filters: CompiledFilters, order: StartOrder, process: OciProcess): OciConfig {
  const { flavour } = deps;
  const seccomp = flavour.seccomp ? seccompFor(deps.arch, order.spec.capabilities) : undefined;
  const parts: Pick<ConfigOrder, 'seccomp' | 'annotations'> = seccomp ? filters.parts(seccomp) : {};
  return ociConfig({
    id: order.id,
    process,
    rootMount: deps.rootMount,
    joins: flavour.joins,
    ids: deps.plan.ids(order.slot),
    memoryBytes: order.spec.limits.memoryBytes,
    ...parts,
    annotations: { ...whose(order), ...parts.annotations },
  });
}

/**
 * Whose it is, for those who look at this machine: `crun state`, `runc state` and a search through the folders of sandboxes
 * find it by owner and label. The prefix keeps labels away from what runtimes read.
 */
function whose({ owner, labels, spec }: StartOrder): Readonly<Record<string, string>> {
  const marks = Object.entries(labels).map(([key, value]) => [`arc.label.${key}`, value]);
  return { 'arc.owner': owner, 'arc.template': spec.template, ...Object.fromEntries(marks) };
}

/** Says everything to the helper; pure, so that a test can read what would be done. */
export function helperStart(
  deps: OciDeps,
  order: StartOrder,
  folder: SandboxFolder,
  blank: BlankImage | undefined,
  uid: number,
  lowers: Pick<HelperStart, 'lowers' | 'idmap'>,
): HelperStart {
  const { flavour, plan } = deps;
  const { limits, network, logBytes, logRate = LOG_RATE_DEFAULT } = order.spec;
  const ids = plan.ids(order.slot);
  const bytes = roundedSize(limits.diskBytes);
  const run = flavour.run(deps.program, folder, order.id);
  return {
    id: order.id,
    incarnation: order.incarnation,
    dir: folder.dir,
    slot: order.slot,
    ids,
    net: {
      address: plan.address(order.slot),
      gateway: plan.gateway,
      hostInterface: plan.hostInterface(order.slot, network),
      mtu: plan.mtu,
    },
    ...lowers,
    upper: {
      kind: limits.diskKind,
      bytes,
      inodes: blank?.inodes ?? inodesFor(bytes),
      ...(blank !== undefined && { blank: blank.path }),
      fresh: order.fresh,
    },
    rootMount: deps.rootMount,
    cgroup: cgroupOf(deps, limits),
    log: { bytes: logBytes, bytesPerSecond: logRate },
    stdioUid: ids.hostBase + uid,
    argv: flavour.joins === 'entered' ? entered(deps.nsenter, NS_USER_PATH, NS_NET_PATH, run) : run,
    pidFile: pidFileOf(flavour),
    timeoutMs: START_TIMEOUT_MS,
    follow: flavour.follow,
    sealed: flavour.sealed,
  };
}

/** Limits of the cgroup, with what the runtime itself needs in there. */
export function cgroupOf({ flavour }: OciDeps, limits: Limits): HelperStart['cgroup'] {
  return {
    memoryBytes: limits.memoryBytes + flavour.overhead.memoryBytes,
    cpus: limits.cpus,
    pids: limits.pids * flavour.overhead.pidsFactor + flavour.overhead.pids,
  };
}

export interface ExecPaths {
  readonly process: string;
  readonly pidFile: string;
  readonly console: string;
}

export function execPaths(deps: OciDeps, folder: SandboxFolder, execId: string): ExecPaths {
  const base = join(stateRoot(deps.flavour, folder), execId);
  return { process: `${base}.json`, pidFile: `${base}.pid`, console: `${base}.sock` };
}

/** @param pid the sandbox's first process, whose namespaces are entered */
export function helperExec(
  deps: OciDeps,
  record: SandboxRecord,
  folder: SandboxFolder,
  pid: number,
  execId: string,
  order: ExecOrder,
): HelperExec {
  const { flavour } = deps;
  const paths = execPaths(deps, folder, execId);
  const files = {
    process: paths.process,
    pidFile: paths.pidFile,
    ...(order.tty && { console: paths.console }),
  };
  const exec = flavour.exec(deps.program, folder, record.id, files);
  return {
    id: execId,
    argv: flavour.joins === 'entered' ? enteredOf(deps, pid, exec) : exec,
    pidFile: paths.pidFile,
    ...(order.tty && { tty: order.tty, consoleSocket: paths.console }),
    ...(order.timeoutMs !== undefined && { timeoutMs: order.timeoutMs }),
    command: order.command,
    follow: flavour.execFollow ?? 'pid-file',
    sealed: flavour.sealed,
  };
}

/** Into the namespaces of a sandbox that runs, by its first process. */
export function enteredOf(deps: OciDeps, pid: number, argv: readonly string[]): readonly string[] {
  return entered(deps.nsenter, `/proc/${pid}/ns/user`, `/proc/${pid}/ns/net`, argv);
}

/** `nsenter` becomes root of the user namespace on entering it. */
function entered(nsenter: string, user: string, net: string, argv: readonly string[]): readonly string[] {
  return [nsenter, `--user=${user}`, `--net=${net}`, '--', ...argv];
}
