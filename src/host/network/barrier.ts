import { ArcError } from '../../contract/errors.ts';
import { formatCidr } from '../../domain/network/cidr.ts';
import type { Logger } from '../../kit/logger.ts';
import type { Run } from '../../kit/run.ts';
import type { NetworkPlan } from './plan.ts';

/** The bit of a packet's mark that says: the firewall's table has seen it. */
export const PASSED_MARK = '0x20000000';
const UNMARKED = ['mark', '0', 'mask', PASSED_MARK];
const IP_TIMEOUT_MS = 30_000;

export interface BarrierDeps {
  readonly plan: Pick<NetworkPlan, 'range'>;
  /** Absolute path of `ip`, where it is installed. */
  readonly ip: string | undefined;
  readonly run: Run;
  readonly log: Logger;
}

/**
 * What holds while the firewall's table is gone, such as between a `flush ruleset` by another program and our repair.
 * The kernel's transformation policies (the ones of IPsec) are looked at for every packet that is forwarded or handed to
 * a program of the host, and know nothing of nftables: these block whatever comes from a sandbox, or is forwarded to
 * one, and does not carry the mark that only our table sets. Nothing has to happen for it to hold, not even that Arc runs.
 */
export class Barrier {
  readonly #deps: BarrierDeps;

  constructor(deps: BarrierDeps) {
    this.#deps = deps;
  }

  /** `false` where it can't be had; the firewall alone protects then, and the log says so. */
  async raise(): Promise<boolean> {
    const { log } = this.#deps;
    for (const policy of this.#policies) {
      const problem = await this.#xfrm('update', [...policy, ...UNMARKED, 'action', 'block']);
      if (problem === '') continue;
      log.warn(
        { problem },
        'no second barrier: while another program has flushed the firewall, nothing stands in its place',
      );
      return false;
    }
    return true;
  }

  /** `delete` would leave a mark of 0 out of what it asks the kernel for, and find nothing. */
  async remove(): Promise<void> {
    for (const policy of this.#policies) await this.#xfrm('deleteall', [...policy, 'action', 'block']);
  }

  get #policies(): readonly (readonly string[])[] {
    const range = formatCidr(this.#deps.plan.range);
    return [
      ['src', range, 'dst', '0.0.0.0/0', 'dir', 'in'],
      ['src', range, 'dst', '0.0.0.0/0', 'dir', 'fwd'],
      ['src', '0.0.0.0/0', 'dst', range, 'dir', 'fwd'],
    ];
  }

  /** Gives what went wrong, or nothing. */
  async #xfrm(verb: string, policy: readonly string[]): Promise<string> {
    const { ip, run } = this.#deps;
    if (ip === undefined) return new ArcError('host_unfit', 'ip is not on this machine').message;
    const result = await run([ip, 'xfrm', 'policy', verb, ...policy], { env: {}, timeoutMs: IP_TIMEOUT_MS });
    return result.code === 0 ? '' : (result.notStarted ?? (result.stderr.trim() || `ip ended with ${result.code}`));
  }
}
