import { type Cidr, contains, overlap, parseCidr } from './cidr.ts';

/** Refused whatever a template or the operator says: nothing that is meant for a sandbox lives there. */
export const NEVER_V4 = [
  '0.0.0.0/8', // this network
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local; the metadata service of most clouds
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, broadcast
  '100.100.100.200/32', // the metadata service of one cloud
  '192.0.0.192/32', // metadata of another cloud
  '168.63.129.16/32', // a cloud's platform address that looks public
] as const;

/**
 * Where no sandbox may connect to, whatever its network policy, unless the operator lets allow-lists name a part of it.
 * The host's own addresses need no entry: what is addressed to the host goes through the input rules, which refuse all of
 * it. IPv6 is not given to sandboxes: all of it is dropped.
 */
export const REFUSED_V4 = [
  ...NEVER_V4,
  '10.0.0.0/8', // private
  '100.64.0.0/10', // carrier-grade NAT
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16', // private
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
] as const;

const parsed = (texts: readonly string[]): readonly Cidr[] => texts.flatMap((text) => parseCidr(text) ?? []);
const NEVER = parsed(NEVER_V4);
const REFUSED = parsed(REFUSED_V4);

/** Is this address refused to every sandbox? @param open ranges that the operator lets allow-lists name */
export function isRefused(address: number, open: readonly Cidr[] = []): boolean {
  if (NEVER.some((cidr) => contains(cidr, address))) return true;
  return REFUSED.some((cidr) => contains(cidr, address)) && !open.some((cidr) => contains(cidr, address));
}

/** Does all of this network lie in a refused range? What only reaches into one is cut by the rules. */
export function liesInRefused(cidr: Cidr, open: readonly Cidr[] = []): boolean {
  const inside = (outer: Cidr) => outer.bits <= cidr.bits && overlap(outer, cidr);
  return NEVER.some(inside) || (REFUSED.some(inside) && !open.some(inside));
}
