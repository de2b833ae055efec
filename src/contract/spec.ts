import type { Level } from './states.ts';

/**
 * What code reads: a template and a create request merged, checked, defaults filled, durations in ms and sizes in
 * bytes. Kept whole in the sandbox's row, so that a later change of the template changes nothing that runs.
 */
export interface ResolvedSpec {
  readonly template: string;
  /** Directories of the root filesystem, lowest first, as digests or `builtin:NAME`. */
  readonly root: RootRef;
  /** argv; a bare name is looked up in the sandbox's PATH. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** As written: `uid[:gid]` or names; resolved on the node against the root's /etc/passwd. */
  readonly user: string;
  readonly ports: readonly number[];
  /** Ports that speak something else than HTTP: by TLS, their bytes are passed as they are. */
  readonly tcp?: readonly number[];
  /** Who reaches them through the edge; absent: everybody. */
  readonly access?: AccessRule;
  readonly ready: ReadySpec;
  readonly limits: Limits;
  readonly isolation: Level;
  /** Of a template: the level of a create that asks for none. */
  readonly usually?: Level;
  readonly capabilities: readonly string[];
  readonly network: NetworkPolicy;
  /** What its template gives, where the create asked for less: it may be opened again as far as that. */
  readonly networkMost?: NetworkPolicy;
  /** Absent: the defaults of `domain/network/flow.ts`. */
  readonly flow?: FlowLimits;
  readonly ttlMs: number | null;
  readonly afterReboot: 'recreate' | 'fail';
  readonly logBytes: number;
  /** Bytes a second; absent: the default of `domain/log-rate.ts`. */
  readonly logRate?: number;
  /** Warm sandboxes that are kept of its template; of no meaning to one that runs. */
  readonly pool?: PoolSpec;
  /** Absent: being idle never stops it. */
  readonly idle?: IdleSpec;
  readonly ttlPolicy?: TtlPolicy;
  /** Values of secrets that it gets; only their names are here. */
  readonly secrets?: readonly SecretUse[];
  readonly flag?: FlagSpec;
  /** Each owner has one of its template at most; asking again gives that one. */
  readonly onePerOwner?: boolean;
}

export interface SecretUse {
  /** Whose secret it is. */
  readonly owner: string;
  readonly secret: string;
  readonly env?: string;
  readonly file?: string;
  /** Of the file, in octal digits; absent: what `domain/secret-mode.ts` says. */
  readonly mode?: string;
}

/** What each owner is to find, made from a secret. */
export interface FlagSpec extends SecretUse {
  /** With one `%s` in it. */
  readonly format: string;
}

/** Where it may connect to. What is refused to all sandboxes stays so under each. */
export type NetworkPolicy = 'none' | 'public' | NetworkList;

export interface NetworkList {
  /** Networks such as `192.0.2.0/24`, names, and `*.` with a name for all names beneath it. */
  readonly allow: readonly string[];
  /** Ports of TCP and UDP, such as `443` or `8000-8999`; absent: all of them, and ping. */
  readonly ports?: readonly string[];
}

/** What a sandbox may send out, absent where its template says nothing. */
export interface FlowLimits {
  /** Bytes a second to beyond the machine. */
  readonly bandwidthBytes?: number;
  /** Open at once to beyond the machine. */
  readonly connections?: number;
}

export interface PoolSpec {
  readonly min: number;
  readonly max: number;
  /** `late`: the env of a create is for commands, terminals and a file, not for the program. */
  readonly env: 'command' | 'late';
  readonly schedule?: readonly PoolWindow[];
}

export const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;

/** While it is open the pool holds `min` at least. Once, in ms since the epoch, or every week, in UTC. */
export type PoolWindow =
  | { readonly min: number; readonly fromMs: number; readonly untilMs: number }
  | {
      readonly min: number;
      /** As `Date` numbers them: Sunday is 0. */
      readonly days: readonly number[];
      /** Minutes of the day. */
      readonly fromMinute: number;
      readonly untilMinute: number;
    };

/** `token`: who has a token or link for it. By port, ports that are not named need one. */
export type AccessRule = 'open' | 'token' | Readonly<Record<string, 'open' | 'token'>>;

export interface IdleSpec {
  readonly softMs?: number;
  readonly hardMs: number;
  readonly then: 'frozen' | 'stopped' | 'removed';
  /** More quiet time after which a frozen one is stopped. */
  readonly stopMs?: number;
  /** A stopped one keeps its writable layer. */
  readonly keep: boolean;
  /** Using at least so many processors counts as use. */
  readonly cpus?: number;
}

export interface TtlPolicy {
  readonly warningMs?: number;
  readonly graceMs?: number;
  readonly maxMs?: number;
}

export type RootRef =
  | { readonly kind: 'builtin'; readonly name: string }
  | { readonly kind: 'layers'; readonly digests: readonly string[] };

export interface ReadySpec {
  /** `none`: ready once the command runs. */
  readonly kind: 'none' | 'port' | 'http' | 'command';
  readonly port?: number;
  readonly path?: string;
  readonly command?: readonly string[];
  readonly timeoutMs: number;
}

export interface Limits {
  readonly memoryBytes: number;
  /** Processors, such as 0.5. */
  readonly cpus: number;
  readonly pids: number;
  readonly openFiles: number;
  readonly diskBytes: number;
  readonly diskKind: 'image' | 'memory';
}

/** How a command or a sandbox's first process ended. */
export interface Exit {
  /** 0–255, or null when a signal ended it or the code is not known. */
  readonly code: number | null;
  /** Such as `SIGKILL`, or null. */
  readonly signal: string | null;
  readonly oom: boolean;
  /** ms since the epoch. */
  readonly at: number;
  /** Said when the code could not be learnt, such as after the helper was killed. */
  readonly note?: string;
}
