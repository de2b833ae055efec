import { contains, parseAddress, parseCidr } from './cidr.ts';
import { REFUSED_V4 } from './refused.ts';

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

function isPublic(text: string): boolean {
  const address = parseAddress(text);
  if (address === undefined) return false;
  return !REFUSED_V4.some((refused) => {
    const cidr = parseCidr(refused);
    return cidr !== undefined && contains(cidr, address);
  });
}
