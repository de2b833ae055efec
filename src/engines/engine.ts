import type { VerifyReport } from '../contract/schemas/verify.ts';
import type { Exit, Limits, ResolvedSpec } from '../contract/spec.ts';
import type { Level } from '../contract/states.ts';

/**
 * The Engine port: where sandboxes run. The control plane says which sandbox should be there in which incarnation;
 * the engine makes it so. Implementations: `local`, later `swarm`, `nomad`, `arc`, `vms`; and `fake` for simulation.
 */

export interface Target {
  readonly id: string;
  /** Counts the starts of this sandbox from 1. A call for an older one than runs does nothing. */
  readonly incarnation: number;
}

export interface CreateOrder extends Target {
  readonly owner: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: ResolvedSpec;
  /** `true`: begin from the template again; `false`: keep the writable layer of the earlier incarnation where there is one. */
  readonly fresh: boolean;
}

/** Where the edge finds a running sandbox. */
export interface Placement {
  readonly node: string;
  /** IPv4 address that this process can connect to. */
  readonly address: string;
  /** The program that gives the level, such as `crun`. */
  readonly runtime: string;
  /** Said to people where the level has more than one face, such as gVisor's network stack. */
  readonly note?: string;
}

/** What the engine holds of a sandbox, from the node's truth and not from the store. */
export type Held = Target &
  (
    | {
        readonly phase: 'running';
        readonly placement: Placement /** Its processes stand still. */;
        readonly frozen?: true;
      }
    | { readonly phase: 'exited'; readonly exit: Exit }
    /** Half made or half removed: resources exist, nothing runs. */
    | { readonly phase: 'partial' }
  );

export type EngineEvent =
  | { readonly type: 'exited'; readonly target: Target; readonly exit: Exit }
  /** The engine lost sight of its node and found it again: list once more. */
  | { readonly type: 'resync' };

export interface LevelCost {
  /** Beside what the program itself was given: the runtime's own. */
  readonly memoryBytes: number;
  /** From the order until its program ran. */
  readonly startMs: number;
}

export interface LevelReport {
  readonly level: Level;
  readonly available: boolean;
  readonly runtime?: string;
  /** By translating every instruction: isolates as well, and is so slow that nobody gets it who has not asked for it by name. */
  readonly emulated?: boolean;
  /** What it protects from, or why it is not to be had and what would bring it. */
  readonly note: string;
  /** What would bring it here, where that is not what brings it elsewhere. */
  readonly how?: string;
  /** Of one that can be had: what a sandbox of it costs beside its program, measured when the level was tried. */
  readonly cost?: LevelCost;
  /** What can't be done with its sandboxes, each with the reason. */
  readonly lacks?: readonly string[];
  /** When an adversary was last run at it, and at how many checks it found something. */
  readonly verified?: { readonly at: number; readonly passed: boolean; readonly findings: number };
}

export interface NodeReport {
  readonly name: string;
  readonly levels: readonly LevelReport[];
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly sandboxes: number;
  readonly kernel: string;
  readonly cgroup: 'v2' | 'v1' | 'hybrid' | 'none';
}

/** How short of memory the nodes are, as data; the worst node counts. */
export interface MemoryPressure {
  readonly totalBytes: number;
  readonly availableBytes: number;
  /** Share of the last 10 s in which something waited for memory; absent where the kernel doesn't say. */
  readonly stalledPercent?: number;
}

export interface EngineCapabilities {
  readonly exec: boolean;
  readonly files: boolean;
  readonly logs: boolean;
  readonly stats: boolean;
  readonly park: boolean;
  readonly placeOnNode: boolean;
}

export interface Engine {
  readonly name: string;
  readonly capabilities: EngineCapabilities;
  /** What it may be able to give, known without trying; absent: not known. */
  readonly levels?: readonly Level[];
  nodes(): Promise<readonly NodeReport[]>;
  /**
   * Starts it, resolves when its command runs (readiness is the control plane's to check through `probe`).
   * Asked again for the same incarnation: gives the same placement, starts nothing twice.
   * Throws ArcError: isolation_unavailable, command_not_found, memory_too_small, disk_full, at_capacity, start_failed…
   * After a throw nothing of this incarnation is left behind.
   */
  create(order: CreateOrder, signal: AbortSignal): Promise<Placement>;
  /** One try of the readiness check; `false`: not yet. */
  probe(target: Target, spec: ResolvedSpec, signal: AbortSignal): Promise<boolean>;
  /** Ends processes, keeps the writable layer and the logs. Idempotent. */
  stop(target: Target): Promise<void>;
  /** Removes everything of the sandbox up to and including this incarnation. Idempotent; a newer incarnation is left alone. */
  destroy(target: Target): Promise<void>;
  list(): Promise<readonly Held[]>;
  watch(listener: (event: EngineEvent) => void): () => void;
  readonly execs?: EngineExecs;
  readonly files?: EngineFiles;
  readonly logs?: EngineLogs;
  readonly stats?: EngineStats;
  /**
   * Of `park`: every process stands still when it resolves, and what memory can be given back is. Nothing of it is lost
   * and its connections stay. Idempotent. Throws wrong_state where it does not run in this incarnation.
   */
  freeze?(target: Target): Promise<void>;
  /** Its processes go on. Idempotent. Throws wrong_state where it does not run in this incarnation. */
  thaw?(target: Target): Promise<void>;
  readonly limits?: EngineLimits;
  readonly verify?: EngineVerify;
  readonly network?: EngineNetwork;
  memoryPressure?(): Promise<MemoryPressure>;
  /** Of the disk that sandboxes write to; the fullest node counts. */
  diskSpace?(): Promise<{ readonly totalBytes: number; readonly availableBytes: number }>;
}

/** An adversary in sandboxes of every level, and what it could do. */
export interface EngineVerify {
  /** Runs it now, which takes some seconds for each level; who asks meanwhile gets the same. */
  run(): Promise<VerifyReport>;
  /** The newest report, of this run of Arc or of an earlier one on this very machine. */
  last(): Promise<VerifyReport | undefined>;
}

// ---- capabilities -------------------------------------------------------------------------------------------------

export interface ExecOrder {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly user?: string;
  readonly timeoutMs?: number;
  readonly tty?: { readonly cols: number; readonly rows: number };
}

export interface ExecInfo {
  readonly id: string;
  readonly sandbox: string;
  readonly tty: boolean;
  readonly command: readonly string[];
  readonly startedAt: number;
  readonly exit?: Exit & { readonly timedOut: boolean };
}

/** A joined command or terminal. One reader at a time; a second join takes over and the first sees its streams end. */
export interface ExecStream extends AsyncDisposable {
  readonly id: string;
  readonly tty: boolean;
  /** Chunks in order. Not reading slows the program down, never the node. With a terminal all is `stdout`. Ends after the exit or when another joined. */
  readonly output: AsyncIterable<{ readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array }>;
  /** Resolves when there is room for more; rejects when the program is gone. */
  write(data: Uint8Array): Promise<void>;
  closeStdin(): Promise<void>;
  resize(cols: number, rows: number): Promise<void>;
  signal(name: string): Promise<void>;
  /** Resolves at the end of the program; rejects when the stream was taken over or the helper was lost. */
  readonly exit: Promise<Exit & { readonly timedOut: boolean }>;
  /** Leaves; the program goes on. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface EngineExecs {
  /** `id` is an exec id made by the caller. Throws command_not_found, exec_failed, wrong_state. */
  start(target: Target, id: string, order: ExecOrder): Promise<ExecStream>;
  /** Throws exec_not_found. */
  join(target: Target, id: string): Promise<ExecStream>;
  list(target: Target): Promise<readonly ExecInfo[]>;
  signal(target: Target, id: string, name: string): Promise<void>;
}

export interface FileStat {
  readonly name: string;
  readonly type: 'file' | 'dir' | 'symlink' | 'other';
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeMs: number;
  readonly target?: string;
}

/** All paths are absolute inside the sandbox; nothing ever resolves outside of it. Throws file_not_found, file_denied, file_refused, disk_full. */
export interface FileSession extends AsyncDisposable {
  stat(path: string, follow: boolean): Promise<FileStat>;
  list(path: string): Promise<readonly FileStat[]>;
  read(path: string): AsyncIterable<Uint8Array>;
  /** Parents must exist. Replaces an existing file. */
  write(path: string, content: AsyncIterable<Uint8Array>, mode: number): Promise<void>;
  /** `true` when it was made, `false` when a folder was there. */
  mkdir(path: string, mode: number): Promise<boolean>;
  symlink(target: string, path: string): Promise<void>;
  /** Folders with all they hold when `recursive`. */
  remove(path: string, recursive: boolean): Promise<void>;
}

export interface EngineFiles {
  open(target: Target): Promise<FileSession>;
}

export interface LogChunk {
  readonly seq: number;
  /** ms since the epoch, with a fraction. */
  readonly time: number;
  readonly stream: 'stdout' | 'stderr' | 'arc';
  readonly data: Uint8Array;
  readonly droppedBytes?: number;
}

export interface EngineLogs {
  /** Chunks with seq greater than `since` (0: all that is kept). With `follow` it goes on until the signal or until the sandbox is destroyed. */
  read(
    id: string,
    options: { since: number; follow: boolean; tail?: number },
    signal: AbortSignal,
  ): AsyncIterable<LogChunk>;
}

export interface RawStats {
  readonly cpuMs: number;
  readonly memoryBytes: number;
  readonly pids: number;
  readonly diskBytes?: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly logBytes: number;
  readonly logDropped: number;
}

export interface ProcessInfo {
  readonly pid: number;
  readonly ppid: number;
  readonly uid: number;
  readonly state: string;
  readonly rssBytes: number;
  readonly command: string;
}

export interface EngineLimits {
  /**
   * Changes the limits on memory, processors and processes of one that runs. Throws method_not_allowed where its runtime
   * can't; after a throw some may have been changed.
   */
  set(target: Target, limits: Limits): Promise<void>;
}

export interface NetworkUse {
  /** Connections to beyond the machine, since it got the policy that it has. */
  readonly opened: number;
  /** What it sent in vain lately: each place and port once, newest first. `since` is ms since the epoch. */
  readonly refused: readonly {
    readonly address: string;
    readonly protocol: string;
    readonly port?: number;
    readonly packets: number;
    readonly since: number;
  }[];
  /** Names that it asked for in vain lately, newest first. */
  readonly names: readonly {
    readonly name: string;
    readonly why: 'not-allowed' | 'refused-address';
    readonly address?: string;
    readonly count: number;
    readonly lastAt: number;
  }[];
}

export interface EngineNetwork {
  /**
   * What one that runs may connect to from now on. Connections that the new policy does not allow end. Does nothing where it
   * is so already.
   */
  set(target: Target, spec: Pick<ResolvedSpec, 'network' | 'flow'>): Promise<void>;
  use(target: Target): Promise<NetworkUse>;
}

export interface EngineStats {
  stats(target: Target): Promise<RawStats>;
  processes(target: Target): Promise<readonly ProcessInfo[]>;
}
