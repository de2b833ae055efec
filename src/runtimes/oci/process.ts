import type { ResolvedSpec } from '../../contract/spec.ts';
import type { ExecOrder } from '../../engines/engine.ts';
import type { ResolvedUser } from './users.ts';

/** The `process` document of an OCI config, and of `exec --process`: one place, so that exec is never weaker than create. */
export interface OciProcess {
  readonly terminal: boolean;
  readonly consoleSize?: { readonly width: number; readonly height: number };
  readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids: readonly number[] };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: CapabilitySets;
  readonly noNewPrivileges: true;
  readonly rlimits: readonly { readonly type: string; readonly hard: number; readonly soft: number }[];
  readonly oomScoreAdj: number;
}

export interface CapabilitySets {
  readonly bounding: readonly string[];
  readonly effective: readonly string[];
  readonly permitted: readonly string[];
  readonly inheritable: readonly string[];
  readonly ambient: readonly string[];
}

export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** When the machine itself runs out of memory a sandbox goes before Arc does. */
const OOM_SCORE_ADJ = 500;
const MEMLOCK_BYTES = 8 * 1024 * 1024;
const MSGQUEUE_BYTES = 819_200;
const DEFAULT_TERM = 'xterm-256color';

export interface ProcessLimits {
  /** The machine's own hard limit of open files: asking the kernel for more would fail the start. */
  readonly openFilesMax: number;
}

export function startProcess(spec: ResolvedSpec, user: ResolvedUser, limits: ProcessLimits): OciProcess {
  return {
    terminal: false,
    user: { uid: user.uid, gid: user.gid, additionalGids: user.groups },
    args: spec.command,
    env: environment(user, spec.env),
    cwd: spec.cwd,
    ...confinement(spec, user, limits),
  };
}

export function execProcess(
  spec: ResolvedSpec,
  order: ExecOrder,
  user: ResolvedUser,
  limits: ProcessLimits,
): OciProcess {
  const term: Record<string, string> = order.tty ? { TERM: DEFAULT_TERM } : {};
  return {
    terminal: order.tty !== undefined,
    ...(order.tty && { consoleSize: { width: order.tty.cols, height: order.tty.rows } }),
    user: { uid: user.uid, gid: user.gid, additionalGids: user.groups },
    args: order.command,
    env: environment(user, { ...term, ...spec.env, ...order.env }),
    cwd: order.cwd ?? spec.cwd,
    ...confinement(spec, user, limits),
  };
}

function confinement(spec: ResolvedSpec, user: ResolvedUser, limits: ProcessLimits) {
  const openFiles = Math.min(spec.limits.openFiles, limits.openFilesMax);
  return {
    capabilities: capabilitySets(spec.capabilities, user.uid),
    noNewPrivileges: true as const,
    rlimits: [
      rlimit('NOFILE', openFiles),
      rlimit('CORE', 0),
      rlimit('MEMLOCK', MEMLOCK_BYTES),
      rlimit('MSGQUEUE', MSGQUEUE_BYTES),
      rlimit('RTPRIO', 0),
      rlimit('NICE', 0),
    ],
    oomScoreAdj: OOM_SCORE_ADJ,
  };
}

function rlimit(name: string, value: number) {
  return { type: `RLIMIT_${name}`, hard: value, soft: value };
}

/**
 * Nothing but what the template names. A program that is not root keeps capabilities over its exec only by the ambient set,
 * so it gets them there; root gets them by being root, and its inheritable and ambient sets stay empty.
 */
export function capabilitySets(names: readonly string[], uid: number): CapabilitySets {
  const held = names.map((name) => `CAP_${name}`);
  const carried = uid === 0 ? [] : held;
  return { bounding: held, effective: held, permitted: held, inheritable: carried, ambient: carried };
}

/** Built, never inherited. */
function environment(user: ResolvedUser, given: Readonly<Record<string, string>>): readonly string[] {
  const merged = { PATH: DEFAULT_PATH, HOME: user.home, ...given };
  return Object.entries(merged).map(([name, value]) => `${name}=${value}`);
}
