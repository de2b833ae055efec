import type { LinkScope } from '../contract/schemas/link.ts';
import type { AlertView, CreateRequest, Event } from '../contract/schemas/sandbox.ts';
import type { Network, Template } from '../contract/schemas/template.ts';
import type { Exit, ResolvedSpec } from '../contract/spec.ts';
import type { Reason, State } from '../contract/states.ts';
import type { OwnQuota, Quota } from '../domain/quota.ts';
import type { Engine, NodeReport, Placement } from '../engines/engine.ts';
import type { AlertReport, FiringAlert, OverAlert } from './alert-records.ts';

/** What the API, and nobody else, calls. It knows ports only. */

/** Who asks. `admin` sees and may do everything. */
export interface Caller {
  readonly owner: string;
  readonly keyId: string;
  readonly scopes: readonly Scope[];
  /** Set where a link to one sandbox asks: whatever its scopes say, it reaches that one and only what is listed. */
  readonly link?: LinkGrant;
  /** The address that it asks from. */
  readonly from?: string;
}
export const SCOPES = ['admin', 'sandboxes:read', 'sandboxes:write', 'templates:read', 'templates:write'] as const;
export type Scope = (typeof SCOPES)[number];

export interface HistoryEntry {
  readonly at: number;
  readonly state: State;
  readonly reason: Reason;
  readonly detail?: string;
}

/** The row of a sandbox in the store, kind `sandbox`. Times are ms since the epoch. */
export interface SandboxRecord {
  readonly id: string;
  readonly owner: string;
  readonly spec: ResolvedSpec;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: State;
  readonly reason: Reason;
  readonly detail?: string;
  readonly incarnation: number;
  /** Ask the engine for a fresh root at the next start. */
  readonly fresh: boolean;
  readonly placement?: Placement;
  readonly createdAt: number;
  readonly startedAt?: number;
  /** Wall clock, for people; the deadline itself survives clock jumps, see the life-cycle loop. */
  readonly expiresAt?: number;
  readonly exit?: Exit;
  readonly history: readonly HistoryEntry[];
  readonly queuePosition?: number;
  /** Ports of this machine that lead to its `tcp` ports. */
  readonly tcpPorts?: Readonly<Record<string, number>>;
  /** How its first life began. */
  readonly start?: 'claimed' | 'cold';
  /** Variables of its create that came too late for its program; commands and terminals get them. */
  readonly lateEnv?: Readonly<Record<string, string>>;
  /** The next thing that will stop it, if nobody does anything about it. */
  readonly stops?: StopsRecord;
}

export interface StopsRecord {
  /** ms since the epoch. */
  readonly at: number;
  readonly why: 'hard-limit' | 'ttl';
  readonly then: 'frozen' | 'stopped' | 'removed';
}

/** Something that uses a sandbox and stays open, such as a terminal. */
export interface Use {
  /** It said something, in either direction. */
  touch(): void;
  end(): void;
}

/** What the edge asks for when a request comes for a sandbox that sleeps. */
export interface Waker {
  /** Resolves once its route leads to it. Any number may ask at once. Throws why it can't be had. */
  wake(id: string): Promise<void>;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor?: string;
}

export interface ListFilter {
  /** All must match: `key=value`, or `key` for any value. */
  readonly labels?: readonly string[];
  readonly state?: State;
  readonly template?: string;
  readonly owner?: string;
  readonly limit: number;
  readonly cursor?: string;
}

/** As stored, kind `template`. */
export interface TemplateRecord {
  readonly template: Template;
  readonly builtin: boolean;
  readonly createdAt: number;
  /** With the image's defaults merged in. */
  readonly resolved: ResolvedSpec;
  /** How its pool stands; never stored. */
  readonly pool?: PoolStatus;
}

/** Counts are of this run of Arc. */
export interface PoolStatus {
  readonly template: string;
  readonly min: number;
  readonly max: number;
  readonly target: number;
  readonly ready: number;
  readonly starting: number;
  readonly hits: number;
  readonly misses: number;
  /** Creates that asked for what a warm one can't become. */
  readonly unfit: number;
  readonly problem?: string;
  /** ms since the epoch. */
  readonly retryAt?: number;
}

export interface EventRecord {
  readonly time: number;
  readonly type: Event['type'];
  readonly subject: string;
  readonly owner: string;
  readonly state?: State;
  readonly from?: State;
  readonly reason?: Reason;
  readonly detail?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly incarnation?: number;
  readonly stops?: StopsRecord;
  readonly alerts?: readonly AlertView[];
}

export interface CreateOptions {
  /** How long to wait for `running`, ms; 0: answer at once. */
  readonly waitMs: number;
  readonly idempotencyKey?: string;
  /** The client went away: a create that nobody waits for any more is removed unless it carries an idempotency key. */
  readonly signal: AbortSignal;
}

export interface Sandboxes {
  /** Gives the record once it runs, or as it is when the wait is over. Throws the reason when it failed. */
  create(caller: Caller, request: CreateRequest, options: CreateOptions): Promise<SandboxRecord>;
  /** Throws sandbox_not_found for another owner's too; sandbox_gone where its record is still kept. */
  get(caller: Caller, id: string): Promise<SandboxRecord>;
  list(caller: Caller, filter: ListFilter): Promise<Page<SandboxRecord>>;
  /** Of all owners, for those who operate Arc; those that are removed are not counted. */
  countByState(): Promise<Readonly<Record<State, number>>>;
  /** Idempotent. Resolves when all of it is gone. */
  remove(caller: Caller, id: string): Promise<SandboxRecord>;
  restart(caller: Caller, id: string, options: CreateOptions): Promise<SandboxRecord>;
  reset(caller: Caller, id: string, options: CreateOptions): Promise<SandboxRecord>;
  /** New expiry: now + `ms`, or the old one where that is later. */
  extend(caller: Caller, id: string, ms: number): Promise<SandboxRecord>;
  /** Changes what it may connect to, up to what its template allows; with the scope templates:write beyond that. */
  setNetwork(caller: Caller, id: string, network: Network): Promise<SandboxRecord>;
  /** For exec, files, logs, stats: the record, checked for owner and for being `running` unless `anyState`. */
  target(caller: Caller, id: string, options?: { readonly anyState?: boolean }): Promise<SandboxRecord>;
  /** As `target`, for what uses it: one that is parked is woken first, and it counts as used. */
  awake(caller: Caller, id: string): Promise<SandboxRecord>;
  /** Begins a use of one that is awake; whoever begins it ends it. */
  use(id: string): Use;
  /** Calls with a sentence for people whenever it is warned that it will stop. */
  onWarning(id: string, listener: (text: string) => void): () => void;
  readonly engine: Engine;
  nodes(): Promise<readonly NodeReport[]>;
  /** The number of the newest event, whoever may see it. */
  newestEvent(): Promise<number>;
  /** Events the caller may see, after `seq`; follows until the signal aborts. */
  events(
    caller: Caller,
    afterSeq: number | undefined,
    signal: AbortSignal,
  ): AsyncIterable<{ readonly seq: number; readonly event: EventRecord }>;
}

export interface AddTemplate {
  readonly template: Template;
  readonly credentials?: { readonly username: string; readonly password: string };
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: { layer: string; done: number; total: number | undefined; phase: string }) => void;
}

export interface Templates {
  list(caller: Caller): Promise<readonly TemplateRecord[]>;
  get(caller: Caller, name: string): Promise<TemplateRecord>;
  /** Pulls or takes in its root first; nothing is kept after a failure. */
  add(caller: Caller, request: AddTemplate): Promise<TemplateRecord>;
  remove(caller: Caller, name: string): Promise<void>;
  /** How every pool stands. */
  pools(): readonly PoolStatus[];
  /** Layers that no template and no sandbox uses. */
  prune(caller: Caller): Promise<{ readonly layers: number; readonly bytes: number }>;
}

export interface KeyRecord {
  readonly id: string;
  readonly name: string;
  readonly owner: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: number;
  /** SHA-256 of the secret, hex. The secret itself is shown once and kept nowhere. */
  readonly hash: string;
}

export interface Keys {
  /** Throws unauthorized. */
  authenticate(secret: string): Promise<Caller>;
  create(
    caller: Caller,
    request: { name: string; owner: string; scopes: readonly Scope[] },
  ): Promise<{ key: KeyRecord; secret: string }>;
  list(caller: Caller): Promise<readonly KeyRecord[]>;
  revoke(caller: Caller, id: string): Promise<void>;
  /** Who a key stands for; undefined once it is revoked. */
  callerOf(keyId: string): Promise<Caller | undefined>;
}

export interface QuotaRecord {
  readonly owner: string;
  /** What was set for this owner. */
  readonly own: OwnQuota | undefined;
  readonly limits: Quota;
  readonly used: { readonly running: number; readonly total: number; readonly memoryBytes: number };
}

export interface Quotas {
  /** Everybody may ask for their own. */
  get(caller: Caller, owner: string): Promise<QuotaRecord>;
  /** Of those for whom something was set. */
  list(caller: Caller): Promise<readonly QuotaRecord[]>;
  set(caller: Caller, owner: string, own: OwnQuota): Promise<QuotaRecord>;
  remove(caller: Caller, owner: string): Promise<void>;
}

/** Times are ms since the epoch. */
export interface SecretRecord {
  readonly owner: string;
  readonly name: string;
  readonly setAt: number;
}

/** Values that are set and never given back; each caller has those of its owner. */
export interface Secrets {
  set(caller: Caller, name: string, value: string): Promise<SecretRecord>;
  list(caller: Caller): Promise<readonly SecretRecord[]>;
  remove(caller: Caller, name: string): Promise<void>;
  /** What that owner is to find in a sandbox of this template; admins only. */
  flag(caller: Caller, spec: ResolvedSpec, owner: string): Promise<string>;
}

/** What was done, and what came of it. Never a secret. */
export interface AuditNote {
  /** Such as `sandbox.create`. */
  readonly action: string;
  readonly subject?: string;
  /** `done`, or the code of the error. */
  readonly outcome: string;
  readonly detail?: string;
  /** Of the sandbox that it was done to, as they were then. */
  readonly labels?: Readonly<Record<string, string>>;
}

export interface AuditRecord extends AuditNote {
  /** ms since the epoch. */
  readonly at: number;
  readonly owner: string;
  readonly key: string;
  readonly from?: string;
}

export interface AuditFilter {
  readonly owner?: string;
  readonly subject?: string;
  readonly action?: string;
  /** `key=value`, or `key` for any value; all must match. */
  readonly labels?: readonly string[];
  readonly limit: number;
  readonly cursor?: string;
}

export interface Audit {
  /** For what is no change of the store: written after it. */
  note(caller: Caller, note: AuditNote): Promise<void>;
  /** The newest first; admins only. */
  list(caller: Caller, filter: AuditFilter): Promise<Page<AuditRecord & { readonly seq: number }>>;
}

/** All that the API calls. */
export interface Services {
  readonly sandboxes: Sandboxes;
  readonly templates: Templates;
  readonly keys: Keys;
  readonly sessions: Sessions;
  readonly links: Links;
  readonly quotas: Quotas;
  readonly hooks: Hooks;
  readonly alerts: Alerts;
  readonly vitals: Vitals;
  readonly audit: Audit;
  readonly secrets: Secrets;
}

/** Who is signed in to the console, by the secret in a cookie. Times are ms since the epoch. */
export interface Sessions {
  /** Signs in with a key. Throws unauthorized. */
  open(key: string): Promise<{ readonly secret: string; readonly caller: Caller; readonly expiresAt: number }>;
  /** Throws unauthorized, also once its key is revoked. */
  authenticate(secret: string): Promise<{ readonly caller: Caller; readonly expiresAt: number }>;
  /** Idempotent. */
  close(secret: string): Promise<void>;
}

export interface LinkGrant {
  readonly id: string;
  readonly sandbox: string;
  readonly may: readonly LinkScope[];
  /** How far from now one press of the button moves the end, ms. */
  readonly extendMs: number;
  readonly expiresAt: number;
}

/** A link to one sandbox, for a person who has no key; kind `link`. */
export interface LinkRecord extends LinkGrant {
  readonly owner: string;
  readonly createdAt: number;
  /** SHA-256 of the secret, hex. */
  readonly hash: string;
}

export interface LinkOrder {
  readonly may: readonly LinkScope[];
  readonly forMs: number;
  readonly extendMs: number;
}

export interface Links {
  create(caller: Caller, sandbox: string, order: LinkOrder): Promise<{ link: LinkRecord; secret: string }>;
  list(caller: Caller, sandbox: string): Promise<readonly LinkRecord[]>;
  revoke(caller: Caller, sandbox: string, id: string): Promise<void>;
  /** Throws unauthorized. */
  authenticate(secret: string): Promise<Caller>;
}

/** What a hook is told of. */
export interface HookFilter {
  /** `TYPE` or `TYPE.STATE`, such as `sandbox` and `sandbox.warned`. */
  readonly events: readonly string[];
  /** All must match: `key=value`, or `key` for any value. */
  readonly labels: readonly string[];
  readonly owner?: string;
}

/** Where changes are sent to; kind `hook`. The secret must be kept as it is, since every message is signed with it. */
export interface HookRecord {
  readonly id: string;
  readonly url: string;
  readonly format: 'standard' | 'slack';
  readonly filter: HookFilter;
  readonly secret: string;
  readonly createdAt: number;
  /** The receiver said that it is gone for good. */
  readonly ended?: string;
}

/** How the deliveries of a hook stand. Counts are of this run of Arc. */
export interface HookStatus {
  readonly state: 'ok' | 'failing' | 'ended';
  /** The newest event of which, and of all before it, nothing is to be sent any more. */
  readonly cursor: number;
  /** Read and not delivered yet; more may follow in the journal. */
  readonly pending: number;
  readonly delivered: number;
  readonly failed: number;
  readonly givenUp: number;
  /** Events that were forgotten before they could be sent. */
  readonly missed: number;
  readonly problem?: string;
  /** ms since the epoch. */
  readonly retryAt?: number;
}

/** One try to deliver one event to one hook. */
export interface HookTry {
  /** ms since the epoch. */
  readonly at: number;
  /** Number of the event. */
  readonly event: number;
  /** Such as `sandbox.warned`. */
  readonly what: string;
  readonly subject: string;
  /** `refused` and `down` are tried again; `ended`: the receiver is gone for good; `given-up`: it was tried for a day. */
  readonly outcome: 'taken' | 'refused' | 'down' | 'ended' | 'given-up';
  readonly ms?: number;
  readonly detail?: string;
}

/** A part of a start, as it ended. */
export interface Phase {
  readonly id: string;
  readonly level: string;
  /** `queue`: until its turn; `create`: the engine; `files`; `ready`: its readiness check; `commit`: route and row; `claim`: all of a claim. */
  readonly name: 'queue' | 'create' | 'files' | 'ready' | 'commit' | 'claim';
  readonly ms: number;
  /** ms since the epoch. */
  readonly endedAt: number;
  readonly ok: boolean;
}
export type PhaseListener = (phase: Phase) => void;

/** What the control plane notices of its own work. */
export interface Vitals {
  onPhase(listener: PhaseListener): () => void;
  recent(windowMs: number): {
    readonly helperLosses: number;
    readonly starts: { readonly done: number; readonly failed: number };
    readonly queue: { readonly waiting: number; readonly longestMs: number };
    readonly nodeProblem?: string;
  };
}

/** One answer to a request for a sandbox. */
export interface EdgeAnswer {
  readonly by: 'sandbox' | 'edge';
  readonly status: number;
  /** Of the edge's own refusals. */
  readonly code?: string;
  /** Of whose; undefined where it was refused before that was known. */
  readonly id?: string;
  /** From the request to the head of the answer. */
  readonly ms: number;
}

/** What the edge tells of its traffic. */
export interface EdgeFigures {
  onAnswer(listener: (answer: EdgeAnswer) => void): void;
  held(): number;
}

/** Hears of each create that was answered. */
export interface Traces {
  created(create: {
    /** Undefined where none was made. */
    readonly id: string | undefined;
    /** ms since the epoch. */
    readonly startMs: number;
    readonly error?: string;
    /** Of the client, by W3C Trace Context. */
    readonly traceparent: string | undefined;
    readonly attributes: Readonly<Record<string, string | number>>;
  }): void;
}

export type { AlertReport, FiringAlert, OverAlert };

export interface Alerts {
  /** What goes on now, for admins. */
  list(caller: Caller): readonly FiringAlert[];
  /** The same, with what is over and when each is told, for admins. */
  report(caller: Caller): AlertReport;
  /** The same as `list`, for metrics. */
  firing(): readonly FiringAlert[];
}

export interface Hooks {
  create(
    caller: Caller,
    order: { readonly url: string; readonly format: HookRecord['format']; readonly filter: HookFilter },
  ): Promise<{ readonly hook: HookRecord; readonly status: HookStatus }>;
  list(caller: Caller): Promise<readonly { readonly hook: HookRecord; readonly status: HookStatus }[]>;
  remove(caller: Caller, id: string): Promise<void>;
  /** Sends one message now, once, and says what came of it. */
  test(caller: Caller, id: string): Promise<{ readonly ok: boolean; readonly detail: string; readonly ms: number }>;
  /** Its last tries in this run of the server, the newest first. */
  deliveries(caller: Caller, id: string): readonly HookTry[];
  /** How all of them stand, for metrics. */
  statuses(): readonly { readonly id: string; readonly status: HookStatus }[];
}
