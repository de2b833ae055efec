import type { Exit, Limits, ResolvedSpec, RootRef } from '../contract/spec.ts';
import type { Level } from '../contract/states.ts';
import type {
  ExecInfo,
  ExecOrder,
  ExecStream,
  FileSession,
  LevelReport,
  ProcessInfo,
  RawStats,
  Target,
} from '../engines/engine.ts';

/**
 * The Runtime port: the code that gives one or more levels on this machine. The agent calls it; it calls programs that
 * others maintain (crun, runc, runsc, …). Every runtime passes `testing/conformance/runtime.ts`; a skip states its reason.
 */

/** What the agent has prepared on the host for one start: all a runtime needs, nothing it must look up. */
export interface StartOrder extends Target {
  readonly spec: ResolvedSpec;
  /** Number that decides address, veth name, uid range: never held by two sandboxes at once. */
  readonly slot: number;
  /** Directories of the root filesystem, lowest first. */
  readonly lowers: readonly string[];
  readonly fresh: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly owner: string;
}

/** Versioned and serialisable, so that a restarted agent adopts what runs. */
export interface Handle extends Target {
  readonly v: 1;
  readonly level: Level;
  readonly runtime: string;
  readonly slot: number;
  readonly address: string;
  /** Host pid of the sandbox's first process and its start time in clock ticks (field 22 of stat): a pid alone proves nothing. */
  readonly pid: number;
  readonly pidStart: number;
  readonly note?: string;
}

export type Found =
  | { readonly phase: 'running'; readonly handle: Handle }
  | { readonly phase: 'exited'; readonly handle: Handle; readonly exit: Exit }
  | { readonly phase: 'partial'; readonly target: Target; readonly slot: number };

export interface RuntimeCapabilities {
  readonly exec: boolean;
  readonly terminal: boolean;
  readonly files: boolean;
  readonly stats: boolean;
  readonly freeze: boolean;
  readonly checkpoint: boolean;
}

/** What people expect of a sandbox, and a runtime may not have: its capabilities, and what no call of the port stands for. */
export type Ability =
  | keyof RuntimeCapabilities
  | 'machine programs'
  | 'processes'
  | 'signals'
  | 'links'
  | 'ports'
  | 'processor shares';

/** What a runtime has not, each with the reason. `arc levels` shows it, and the suite of conformance leaves out just that. */
export type Lacks = Readonly<Partial<Record<Ability, string>>>;

export interface Runtime {
  readonly name: string;
  /** Levels that it can give where it works. */
  readonly levels: readonly Level[];
  readonly capabilities: RuntimeCapabilities;
  /** What it has not, each with the reason: told to people, and left out by the suite. */
  readonly lacks: Lacks;
  /** Why no adversary can be run in it: it runs no programs that are made for the processor. */
  readonly unverifiable?: string;
  /** Is that root in the runtime itself, so that nothing need be made of it on this machine? */
  bringsRoot?(root: RootRef): boolean;
  /** One report for each level it can give, or why not here. Tries the real thing; cached by the caller. */
  probe(): Promise<readonly LevelReport[]>;
  /** Whatever can be made before the start. Optional work: `start` does it when it was not done. */
  prepare(order: StartOrder): Promise<void>;
  /** Resolves once the command runs. After a throw nothing is left. The same incarnation again gives the same handle. */
  start(order: StartOrder, signal: AbortSignal): Promise<Handle>;
  signal(handle: Handle, name: string): Promise<void>;
  /** The end of the first process; rejects when `signal` aborts. */
  wait(handle: Handle, signal: AbortSignal): Promise<Exit>;
  /** All that this runtime holds on the host, running or not: the kernel's truth. */
  recover(): Promise<readonly Found[]>;
  /** Ends all processes; keeps the writable layer and the log. Idempotent. */
  stop(target: Target): Promise<void>;
  /** Removes all of it, after a half-failed start too. Goes on after an error and reports all of them. Idempotent. */
  destroy(target: Target): Promise<void>;
  onExit(listener: (target: Target, exit: Exit) => void): () => void;

  /** Of `freeze`: all processes stand still when it resolves; memory is given back as far as the kernel can. Idempotent. */
  freeze?(handle: Handle): Promise<void>;
  thaw?(handle: Handle): Promise<void>;
  /** The kernel's truth. */
  isFrozen?(handle: Handle): Promise<boolean>;

  exec?(handle: Handle, id: string, order: ExecOrder): Promise<ExecStream>;
  join?(handle: Handle, id: string): Promise<ExecStream>;
  execs?(handle: Handle): Promise<readonly ExecInfo[]>;
  signalExec?(handle: Handle, id: string, name: string): Promise<void>;
  files?(handle: Handle): Promise<FileSession>;
  stats?(handle: Handle): Promise<RawStats>;
  /** Changes limits on memory, processors and processes. Throws method_not_allowed, memory_too_small. */
  setLimits?(handle: Handle, limits: Limits): Promise<void>;
  processes?(handle: Handle): Promise<readonly ProcessInfo[]>;
}
