import type { Exit } from '../../contract/spec.ts';
import type { ExecInfo, ExecStream, FileSession, Target } from '../../engines/engine.ts';

/**
 * What the agent asks of the node helper (`native/arc-node.c`), the small C program that outlives the server. It makes
 * namespaces, veths, mounts and cgroups, starts runtimes and reaps them, drains logs, holds commands and terminals. It
 * does not isolate: crun, runc and runsc do. `native/PROTOCOL.md` has the wire; a fake stands in `src/testing`.
 *
 * Each sandbox has one folder, `DATA/sandboxes/ID/`, that holds all of it: `config.json` (written by the agent before
 * `start`), `record` (the helper's own, versioned), `exit`, fifos `stdout` and `stderr`, `log/` (the journal), `upper.img`
 * or nothing, `runtime/` (the runtime's state root). `destroy` removes what the helper made and then the folder.
 */

/** In `extra.cause` of the host_unfit of a start: the kernel can't id-map the layers. Nothing of it is left. */
export const IDMAP_UNSUPPORTED = 'idmap_unsupported';

/** Where a runtime's config.json finds the namespaces that the helper made for it. */
export const NS_USER_PATH = '/proc/self/fd/100';
export const NS_NET_PATH = '/proc/self/fd/101';

export interface HelperStart extends Target {
  /** The sandbox's folder, absolute. */
  readonly dir: string;
  readonly slot: number;
  readonly ids: { readonly hostBase: number; readonly count: number };
  readonly net: {
    /** IPv4 of the sandbox, /32, and of the gateway it routes through. */
    readonly address: string;
    readonly gateway: string;
    /** Name of the host's end; its prefix tells the firewall the policy. At most 15 characters. */
    readonly hostInterface: string;
    readonly mtu: number;
  };
  /** Directories, lowest first; each is mounted read-only into the sandbox's mount namespace. */
  readonly lowers: readonly string[];
  /** `mount`: id-mapped. `none`: as they are, where they are copies with the sandbox's own owners. */
  readonly idmap: 'mount' | 'none';
  readonly upper: {
    readonly kind: 'image' | 'memory';
    readonly bytes: number;
    readonly inodes: number;
    /** An empty formatted ext4 image of exactly `bytes` to copy, for kind `image`. */
    readonly blank?: string;
    /** Throw away an upper that is there. */
    readonly fresh: boolean;
  };
  /** An empty folder; each sandbox's root is mounted there in its own mount namespace. The config's root.path. */
  readonly rootMount: string;
  readonly cgroup: { readonly memoryBytes: number; readonly cpus: number; readonly pids: number };
  readonly log: { readonly bytes: number; readonly bytesPerSecond: number };
  /** Host uid that owns the log fifos, so that programs inside may reopen /dev/stdout. */
  readonly stdioUid: number;
  /**
   * The runtime to run, absolute path first. It must detach: the helper waits for its end, reads `pidFile` (relative to
   * `dir`), and from then on follows that process.
   */
  readonly argv: readonly string[];
  readonly pidFile: string;
  /** `false` where the runtime itself makes user and network namespaces from the config. */
  readonly timeoutMs: number;
  /** The runtime stays as the parent of the sandbox (runsc): follow it, its exit code is the sandbox's. */
  readonly follow: 'pid-file' | 'runtime';
  /** The runtime, the first of `argv`, is run from a sealed copy of its file that the helper keeps in memory. */
  readonly sealed?: boolean;
}

export interface HelperExec {
  readonly id: string;
  /** `runsc exec` or `crun exec` with its flags; the process document is at `processFile` (written by the agent). */
  readonly argv: readonly string[];
  readonly pidFile: string;
  readonly tty?: { readonly cols: number; readonly rows: number };
  /** Where the runtime sends the terminal's fd, when `tty`. Absolute. */
  readonly consoleSocket?: string;
  readonly timeoutMs?: number;
  /** Kept for `execs` and shown to people. */
  readonly command: readonly string[];
  readonly follow: 'pid-file' | 'runtime';
  readonly sealed?: boolean;
}

export type HelperEntry = Target & {
  readonly dir: string;
  readonly slot: number;
  readonly phase: 'running' | 'exited' | 'partial';
  readonly pid: number;
  readonly pidStart: number;
  readonly exit?: Exit;
};

/** A runtime that did not start its program: what it printed, for the agent to make sense of. */
export class RuntimeFailed extends Error {
  override readonly name = 'RuntimeFailed';
  readonly exitCode: number | null;
  readonly output: string;
  readonly oom: boolean;
  constructor(message: string, exitCode: number | null, output: string, oom: boolean) {
    super(message);
    this.exitCode = exitCode;
    this.output = output;
    this.oom = oom;
  }
}

export interface NodeHelper extends AsyncDisposable {
  /** Throws RuntimeFailed, or ArcError host_unfit, disk_full, memory_too_small, helper_unavailable. Leaves nothing after a throw. */
  start(order: HelperStart): Promise<{ readonly pid: number; readonly pidStart: number }>;
  list(): Promise<readonly HelperEntry[]>;
  /** SIGKILL to all of it and wait until nothing is left in its cgroup. Keeps upper and log. */
  stop(target: Target): Promise<void>;
  destroy(target: Target): Promise<void>;
  signal(target: Target, name: string): Promise<void>;
  onExit(listener: (target: Target, exit: Exit) => void): () => void;
  /** Called when the helper was lost (and again when it is back, with `true`). */
  onConnection(listener: (up: boolean) => void): () => void;

  exec(target: Target, order: HelperExec): Promise<ExecStream>;
  join(target: Target, execId: string): Promise<ExecStream>;
  execs(target: Target): Promise<readonly ExecInfo[]>;
  signalExec(target: Target, execId: string, name: string): Promise<void>;
  /** `root`: the root beneath which paths resolve, in the mount namespace of the sandbox (`/`) or of its runtime. */
  files(target: Target, root: string): Promise<FileSession>;
  /** Makes overlayfs whiteouts (`c 0 0`) and opaque marks in a layer that is being unpacked, beneath `dir`. */
  layerMarks(dir: string, whiteouts: readonly string[], opaque: readonly string[]): Promise<void>;
  /** Where this sandbox's cgroup files are, by controller (v1) or all the same (v2). */
  cgroupPaths(id: string): {
    readonly memory: string;
    readonly cpu: string;
    readonly cpuacct: string;
    readonly pids: string;
    readonly version: 1 | 2;
  };
}
