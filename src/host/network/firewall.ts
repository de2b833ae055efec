import { readFile, writeFile } from 'node:fs/promises';
import { ArcError } from '../../contract/errors.ts';
import type { ResolvedSpec } from '../../contract/spec.ts';
import type { Cidr } from '../../domain/network/cidr.ts';
import { FLOW_DEFAULTS, flowOf } from '../../domain/network/flow.ts';
import type { Clock, Rng } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import type { Run } from '../../kit/run.ts';
import type { Barrier } from './barrier.ts';
import { addNames, addPermit, addResolver, deleteNames, deletePermit } from './elements.ts';
import { Answered, type LookedUp } from './looked-up.ts';
import type { Monitor } from './monitor.ts';
import type { NftSession } from './nft-session.ts';
import type { KeptPermit, PermitFiles } from './permits.ts';
import type { NetworkPlan } from './plan.ts';
import { type Refusal, readRefusals } from './refusals.ts';
import { FORWARDING_MARK, ruleset } from './rules.ts';

export interface FirewallDeps {
  readonly plan: NetworkPlan;
  /** Absolute path of `nft`. */
  readonly nft: string;
  readonly run: Run;
  readonly monitor: Monitor;
  readonly session: NftSession;
  readonly barrier: Pick<Barrier, 'raise' | 'remove'>;
  readonly permits: Pick<PermitFiles, 'write' | 'remove' | 'all'>;
  /** Ranges that the operator lets allow-lists name. */
  readonly open: readonly Cidr[];
  /** Where Arc's own resolver listens; asked at each load. */
  readonly resolverPort: () => number | undefined;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
}

/** What the rules must know of one sandbox. */
export interface Admission {
  readonly id: string;
  readonly slot: number;
  readonly spec: Pick<ResolvedSpec, 'network' | 'flow'>;
}

const IP_FORWARD = '/proc/sys/net/ipv4/ip_forward';
/** While the monitor listens, how often it is not taken at its word: each look is a process that reads all of the table. */
const DISTRUST_MS = 60_000;
/** The first load may have to bring kernel modules in. */
const NFT_TIMEOUT_MS = 30_000;
const LISTING_BYTES_MAX = 16 * 1024 ** 2;

/**
 * Keeps the table in place, and in its sets what each sandbox may do. A monitor hears of every change of the rules that
 * another tool makes, and they are loaded again at once, within some tens of ms; while the monitor is deaf, every start and
 * every sweep compares, and else a sweep once a minute. A sandbox never starts without its rules. What protects in between is the barrier, and what
 * needs no table: reverse-path filtering on each link, and no forwarding at all where no sandbox may send anything out.
 */
export class Firewall {
  readonly #deps: FirewallDeps;
  readonly #permits = new Map<string, KeptPermit>();
  readonly #answered = new Map<string, Answered>();
  #forwardingIsOurs = false;
  /** What the kernel listed after our own load: any difference means that someone else changed it. */
  #expected = '';
  #busy: Promise<unknown> = Promise.resolve();
  #stopMonitor: (() => void) | undefined;
  #closed = false;
  /** Numbers of connections that the table has a rule for. */
  #counted: ReadonlySet<number> = new Set();
  #suspect = true;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** Answers that wait for the commands before them, by sandbox; all of them are one transaction then. */
  #names = new Map<string, Set<string>>();
  #naming: Promise<void> | undefined;

  constructor(deps: FirewallDeps) {
    this.#deps = deps;
  }

  /** Loads the rules, whatever was there before, and begins to listen. */
  async install(): Promise<void> {
    this.#listen();
    await this.#serial(async () => {
      for (const permit of await this.#deps.permits.all()) this.#permits.set(permit.address, permit);
      this.#forwardingIsOurs ||= (await this.#listed()).includes(FORWARDING_MARK);
      await this.#load();
      // After the rules, which set the mark that it looks for.
      await this.#deps.barrier.raise();
    });
  }

  /** Loads them again when they are not as they were loaded; `true` when they had to be. For the sweep. */
  async check(): Promise<boolean> {
    this.#listen();
    if (!this.#suspect && this.#deps.clock.monotonic() - this.#lookedAt < DISTRUST_MS) return false;
    return await this.#serial(async () => {
      const changed = await this.#compare();
      // Whoever took the rules away may have taken this, too, and nothing tells of it.
      await this.#deps.barrier.raise();
      return changed;
    });
  }

  /**
   * To be called before a sandbox starts: rules first, then the first instruction of the program. Its folder is there.
   * Called again for one that runs it changes what that may do, and looks anew at the connections that it has.
   */
  async admit({ id, slot, spec }: Admission): Promise<void> {
    if (this.#suspect || this.#stopMonitor === undefined) await this.#serial(() => this.#compare());
    const address = this.#deps.plan.address(slot);
    if (spec.network === 'none' && !this.#permits.has(address)) return await this.#deps.permits.remove(id);
    await this.#serial(() => this.#permit(id, address, spec));
  }

  /** Its address may have another owner soon. */
  async release(id: string, slot: number): Promise<void> {
    const address = this.#deps.plan.address(slot);
    await this.#serial(async () => {
      // The next server loads what the folders say, and this one's is gone.
      if (this.#closed) return;
      if (this.#permits.get(address)?.id === id) await this.#apply(address, undefined);
    });
  }

  /** What the sandbox at an address may do; absent: nothing. */
  permitOf(address: string): KeptPermit | undefined {
    return this.#permits.get(address);
  }

  /** Lets a sandbox connect to what a name was answered with. The answer may be sent when this resolves. */
  async answered(address: string, name: string, found: readonly LookedUp[]): Promise<void> {
    const answered = this.#answered.get(address) ?? new Answered();
    this.#answered.set(address, answered);
    const over = answered.note(name, found, this.#deps.clock.monotonic());
    const touched = this.#names.get(address) ?? new Set();
    this.#names.set(address, touched);
    for (const one of [...over, ...found.map((one) => one.address)]) touched.add(one);
    this.#naming ??= this.#serial(() => this.#putNames());
    await this.#naming;
  }

  /** By what is known now and not by what was when they were answered: the policy may be another since. */
  async #putNames(): Promise<void> {
    const { clock, plan, session } = this.#deps;
    const waiting = [...this.#names];
    this.#names = new Map();
    this.#naming = undefined;
    const commands = waiting.flatMap(([address, touched]) => {
      const left = this.#answered.get(address)?.left(clock.monotonic()) ?? [];
      const there = left.filter((one) => touched.has(one.address));
      for (const one of there) touched.delete(one.address);
      return [...deleteNames(plan.table, address, [...touched]), ...addNames(plan.table, address, there)];
    });
    if (commands.length > 0 && !this.#closed && !(await session.apply(commands))) await this.#load();
  }

  /** Connections that it opened since its policy was set, and what it was refused lately. */
  async look(slot: number): Promise<{ readonly opened: number; readonly refused: readonly Refusal[] }> {
    const { clock, nft, plan, run } = this.#deps;
    const ask = async (set: string) => {
      const options = { env: {}, timeoutMs: NFT_TIMEOUT_MS, maxOutputBytes: LISTING_BYTES_MAX };
      return (await run([nft, '-j', 'list', 'set', 'inet', plan.table, set], options)).stdout;
    };
    const lists = await Promise.all([ask('opened'), ask('refused'), ask('refused_other')]);
    return readRefusals(lists, plan.address(slot), clock.now());
  }

  /** Stops listening; the rules stay, as the sandboxes do. */
  close(): void {
    this.#closed = true;
    this.#stopMonitor?.();
    this.#stopMonitor = undefined;
    this.#deps.session.close();
  }

  /** Takes the table away; for the end of all of it (`down --all`, tests). */
  async remove(): Promise<void> {
    this.close();
    await this.#serial(async () => {
      this.#expected = '';
      await this.#deps.barrier.remove();
      await this.#nft(['-f', '-'], removal(this.#deps.plan.table));
    });
  }

  #listen(): void {
    if (this.#stopMonitor !== undefined) return;
    this.#suspect = true;
    this.#stopMonitor = this.#deps.monitor(
      (line) => this.#heard(line),
      () => {
        this.#stopMonitor = undefined;
      },
    );
  }

  #heard(line: string): void {
    // Elements come and go by our own hand all the time; where another takes one away, less is allowed.
    if (/^(add|delete) element /.test(line)) return;
    if (!line.includes(this.#deps.plan.table) || this.#expected === '') return;
    this.#suspect = true;
    const look = async () => (this.#closed ? false : await this.#compare());
    this.#serial(look).catch((error: unknown) => {
      this.#deps.log.error({ err: error }, 'firewall rules were changed and could not be loaded again');
    });
  }

  async #permit(id: string, address: string, { network, flow }: Admission['spec']): Promise<void> {
    if (network === 'none') {
      await this.#deps.permits.remove(id);
      await this.#apply(address, undefined);
      return;
    }
    const generation = (Buffer.from(this.#deps.rng.bytes(4)).readUInt32LE() >>> 1) + 1;
    const kept = { v: 1, id, address, policy: network, generation, ...(flow === undefined ? {} : { flow }) } as const;
    const same = (one: KeptPermit | undefined) => JSON.stringify({ ...one, generation }) === JSON.stringify(kept);
    if (!same(this.#permits.get(address))) {
      // What opens is written down first, so that a server that is started again knows of it.
      await this.#deps.permits.write(kept);
      await this.#apply(address, kept);
    }
    if ((await readFile(IP_FORWARD, 'utf8')).trim() === '1') return;
    this.#forwardingIsOurs = true;
    await this.#load();
    await writeFile(IP_FORWARD, '1');
    this.#deps.log.info({}, 'turned on IPv4 forwarding, for sandboxes only');
  }

  /** Another policy in the place of the one before; where that fails, all of the table is loaded anew. */
  async #apply(address: string, next: KeptPermit | undefined): Promise<void> {
    const { plan, session } = this.#deps;
    const before = this.#permits.get(address);
    const another = before?.id !== next?.id;
    const gone = this.#answered.get(address)?.narrow(another || next === undefined ? 'none' : next.policy) ?? [];
    if (next === undefined) this.#permits.delete(address);
    else this.#permits.set(address, next);
    if (next === undefined) this.#answered.delete(address);
    const commands = [
      ...(before === undefined ? [] : deletePermit(plan.table, permitOf(before))),
      ...deleteNames(plan.table, address, gone),
      ...(next === undefined ? addNames(plan.table, address, NOTHING) : addPermit(plan.table, permitOf(next))),
    ];
    const known = next === undefined || this.#counted.has(permitOf(next).flow.connections);
    if (!known || !(await session.apply(commands))) await this.#load();
  }

  async #compare(): Promise<boolean> {
    this.#suspect = false;
    this.#lookedAt = this.#deps.clock.monotonic();
    if (this.#expected === '') {
      await this.#load();
      return true;
    }
    if ((await this.#listed()) === this.#expected) return false;
    this.#deps.log.warn(
      { table: this.#deps.plan.table },
      'firewall rules were changed by another program; loading them',
    );
    await this.#load();
    return true;
  }

  async #load(): Promise<void> {
    this.#suspect = true;
    const { clock, open, plan, resolverPort } = this.#deps;
    const port = resolverPort();
    const permits = [...this.#permits.values()].map(permitOf);
    this.#counted = new Set([FLOW_DEFAULTS.connections, ...permits.map(({ flow }) => flow.connections)]);
    const connections = [...this.#counted].sort((a, b) => a - b);
    const options = { forwardingIsOurs: this.#forwardingIsOurs, open, connections };
    const now = clock.monotonic();
    const elements = [
      ...(port === undefined ? [] : addResolver(plan.table, port)),
      ...permits.flatMap((permit) => addPermit(plan.table, permit)),
      ...[...this.#answered].flatMap(([address, answered]) => addNames(plan.table, address, answered.left(now))),
    ];
    const problem = await this.#nft(['-f', '-'], ruleset(plan, options, `${elements.join('\n')}\n`));
    if (problem !== '') throw new ArcError('host_unfit', `the firewall rules could not be loaded: ${problem}`);
    this.#expected = await this.#listed();
    if (this.#expected === '') throw new ArcError('host_unfit', 'the firewall rules were loaded and are not there');
    this.#suspect = false;
  }

  /** The rules, and not what is in the named sets. */
  async #listed(): Promise<string> {
    const args = ['-s', '-t', 'list', 'table', 'inet', this.#deps.plan.table];
    const { code, stdout } = await this.#deps.run([this.#deps.nft, ...args], { env: {}, timeoutMs: NFT_TIMEOUT_MS });
    return code === 0 ? stdout : '';
  }

  /** Gives what went wrong, or nothing. */
  async #nft(args: readonly string[], stdin: string): Promise<string> {
    const result = await this.#deps.run([this.#deps.nft, ...args], { env: {}, timeoutMs: NFT_TIMEOUT_MS, stdin });
    if (result.code === 0) return '';
    return (result.notStarted ?? result.stderr.trim()) || `nft ended with ${result.code ?? result.signal}`;
  }

  async #serial<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#busy.then(work, work);
    this.#busy = next.catch(() => undefined);
    return await next;
  }
}

/** Added where nothing else is, so that the kernel says something back; nobody may connect there. */
const NOTHING: readonly LookedUp[] = [{ address: '0.0.0.0', seconds: 1 }];

function permitOf({ address, policy, generation, flow }: KeptPermit) {
  return { address, policy, generation, flow: flowOf(flow) };
}

function removal(table: string): string {
  return `table inet ${table}\ndelete table inet ${table}\n`;
}
