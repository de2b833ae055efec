import { readFile, writeFile } from 'node:fs/promises';
import { ArcError } from '../../contract/errors.ts';
import type { Logger } from '../../kit/logger.ts';
import type { Run } from '../../kit/run.ts';
import type { Monitor } from './monitor.ts';
import type { NetworkPlan, NetworkPolicy } from './plan.ts';
import { FORWARDING_MARK, ruleset } from './rules.ts';

export interface FirewallDeps {
  readonly plan: NetworkPlan;
  /** Absolute path of `nft`. */
  readonly nft: string;
  readonly run: Run;
  readonly monitor: Monitor;
  readonly log: Logger;
}

const IP_FORWARD = '/proc/sys/net/ipv4/ip_forward';
/** The first load may have to bring kernel modules in. */
const NFT_TIMEOUT_MS = 30_000;

/**
 * Keeps the table in place. A monitor hears of every change that another tool makes, and the rules are loaded again at once,
 * within some tens of ms; while the monitor is deaf, every start and every sweep compares. A sandbox never starts
 * without its rules. What protects in between is what needs no table: sandboxes have no route to one another's addresses
 * but through the host, reverse-path filtering on each link, and no forwarding at all where no template asks for `public`.
 */
export class Firewall {
  readonly #deps: FirewallDeps;
  #forwardingIsOurs = false;
  /** What the kernel listed after our own load: any difference means that someone else changed it. */
  #expected = '';
  #busy: Promise<unknown> = Promise.resolve();
  #stopMonitor: (() => void) | undefined;
  #suspect = true;

  constructor(deps: FirewallDeps) {
    this.#deps = deps;
  }

  /** Loads the rules, whatever was there before, and begins to listen. */
  async install(): Promise<void> {
    this.#listen();
    await this.#serial(async () => {
      this.#forwardingIsOurs ||= (await this.#listed()).includes(FORWARDING_MARK);
      await this.#load();
    });
  }

  /** Loads them again when they are not as they were loaded; `true` when they had to be. For the sweep. */
  async check(): Promise<boolean> {
    this.#listen();
    return await this.#serial(() => this.#compare());
  }

  /** To be called before a sandbox starts: rules first, then the first instruction of the program. */
  async admit(policy: NetworkPolicy): Promise<void> {
    if (this.#suspect || this.#stopMonitor === undefined) await this.#serial(() => this.#compare());
    if (policy !== 'public' || (await readFile(IP_FORWARD, 'utf8')).trim() === '1') return;
    await this.#serial(async () => {
      this.#forwardingIsOurs = true;
      await this.#load();
      await writeFile(IP_FORWARD, '1');
    });
    this.#deps.log.info({}, 'turned on IPv4 forwarding, for sandboxes only');
  }

  /** Stops listening; the rules stay, as the sandboxes do. */
  close(): void {
    this.#stopMonitor?.();
    this.#stopMonitor = undefined;
  }

  /** Takes the table away; for the end of all of it (`down --all`, tests). */
  async remove(): Promise<void> {
    this.close();
    await this.#serial(async () => {
      this.#expected = '';
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
    if (!line.includes(this.#deps.plan.table) || this.#expected === '') return;
    this.#suspect = true;
    this.#serial(() => this.#compare()).catch((error: unknown) => {
      this.#deps.log.error({ err: error }, 'firewall rules were changed and could not be loaded again');
    });
  }

  async #compare(): Promise<boolean> {
    this.#suspect = false;
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
    const text = ruleset(this.#deps.plan, { forwardingIsOurs: this.#forwardingIsOurs });
    const problem = await this.#nft(['-f', '-'], text);
    if (problem !== '') throw new ArcError('host_unfit', `the firewall rules could not be loaded: ${problem}`);
    this.#expected = await this.#listed();
    if (this.#expected === '') throw new ArcError('host_unfit', 'the firewall rules were loaded and are not there');
    this.#suspect = false;
  }

  async #listed(): Promise<string> {
    const args = ['-s', 'list', 'table', 'inet', this.#deps.plan.table];
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

function removal(table: string): string {
  return `table inet ${table}\ndelete table inet ${table}\n`;
}
