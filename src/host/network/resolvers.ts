import type { NetworkPolicy } from '../../contract/spec.ts';
import { namesAny } from '../../domain/network/allow-list.ts';
import { contains, parseAddress, parseCidr } from '../../domain/network/cidr.ts';
import { REFUSED_V4 } from '../../domain/network/refused.ts';

const RESOLVERS_MAX = 3;
/** Where the host's own resolvers are private, as they mostly are, and therefore refused to a sandbox. */
const PUBLIC_RESOLVERS = ['1.1.1.1', '9.9.9.9'] as const;

/** Name servers for a sandbox with network `public`: those of the host that a sandbox may reach, else public ones. */
export function resolversFor(hostResolvConf: string): readonly string[] {
  const reachable = hostResolvConf
    .split('\n')
    .map((line) => /^\s*nameserver\s+([0-9.]+)\s*$/.exec(line)?.[1])
    .filter((address) => address !== undefined)
    .filter((address) => isPublic(address));
  return reachable.length > 0 ? reachable.slice(0, RESOLVERS_MAX) : PUBLIC_RESOLVERS;
}

/**
 * What stands in a sandbox's resolv.conf. Arc's own resolver answers at the gateway; with `public` it is the last one, asked
 * when the others are refused because the policy has become another.
 */
export function nameServersOf(policy: NetworkPolicy, resolvers: readonly string[], gateway: string): readonly string[] {
  if (!namesAny(policy)) return [];
  return policy === 'public' ? [...resolvers.slice(0, RESOLVERS_MAX - 1), gateway] : [gateway];
}

/** Every name server that the host itself asks. */
export function hostServers(hostResolvConf: string): readonly string[] {
  return hostResolvConf.split('\n').flatMap((line) => /^\s*nameserver\s+([0-9a-fA-F.:]+)/.exec(line)?.[1] ?? []);
}

function isPublic(text: string): boolean {
  const address = parseAddress(text);
  if (address === undefined) return false;
  return !REFUSED_V4.some((refused) => {
    const cidr = parseCidr(refused);
    return cidr !== undefined && contains(cidr, address);
  });
}
