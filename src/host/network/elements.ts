import type { NetworkPolicy } from '../../contract/spec.ts';
import { isList, namesAny, networksOf } from '../../domain/network/allow-list.ts';
import { formatCidr } from '../../domain/network/cidr.ts';
import type { flowOf } from '../../domain/network/flow.ts';

/** Different (destination, port) pairs that are remembered of refusals, of all sandboxes together. */
const REFUSED_MAX = 16_384;
const SANDBOXES_MAX = 65_536;
/** s that a refusal is remembered for. */
export const REFUSED_SECONDS = 1800;

/** What the rules look into. All but the last four hold what the server has put there, and nothing of `none`. */
export const SETS = `  map policies { type ipv4_addr : verdict; }
  map generation { type ipv4_addr : mark; }
  set current { type ipv4_addr . mark; }
  set networks { type ipv4_addr . ipv4_addr; flags interval; }
  set names { type ipv4_addr . ipv4_addr; flags timeout; }
  set ports { type ipv4_addr . inet_service; flags interval; }
  map resolver { type inet_service : inet_service; }
  set resolver_port { type inet_service; }
  set asking { type ipv4_addr; }
  set online { type ipv4_addr; }
  set opened { type ipv4_addr; counter; }
  set bandwidth { type ipv4_addr; flags dynamic; limit rate over 1 mbytes/second burst 1 mbytes; }
  map counting { type ipv4_addr : verdict; }
  set refused { type ipv4_addr . ipv4_addr . inet_proto . inet_service; size ${REFUSED_MAX}; flags dynamic,timeout; timeout ${REFUSED_SECONDS}s; }
  set refused_other { type ipv4_addr . ipv4_addr . inet_proto; size ${REFUSED_MAX}; flags dynamic,timeout; timeout ${REFUSED_SECONDS}s; }
  set refusing { type ipv4_addr; size ${SANDBOXES_MAX}; flags dynamic,timeout; timeout 10m; }
`;

/** Leads lookups to where the resolver listens. */
export function addResolver(table: string, port: number): readonly string[] {
  return [`add element inet ${table} resolver { 53 : ${port} }`, `add element inet ${table} resolver_port { ${port} }`];
}

const countChain = (most: number): string => `count_${most}`;

/**
 * Counts the open connections of each sandbox that may have so many. The kernel forgets an element that counts nothing, so each
 * number needs a rule of its own; there are as many as templates name different ones.
 */
export function counters(mosts: readonly number[]): string {
  return mosts
    .map(
      (most) => `  set counted_${most} { type ipv4_addr; size ${SANDBOXES_MAX}; flags dynamic; }
  chain ${countChain(most)} {
    add @counted_${most} { ip saddr ct count over ${most} } jump refuse
  }
`,
    )
    .join('');
}

/** What one sandbox may do, as the table knows it. */
export interface Permit {
  readonly address: string;
  readonly policy: Exclude<NetworkPolicy, 'none'>;
  /** Distinct for each policy that the address ever had, so that connections of an earlier one are looked at anew. */
  readonly generation: number;
  readonly flow: ReturnType<typeof flowOf>;
}

/** Commands of nft that put a permit into the sets. */
export function addPermit(table: string, permit: Permit): readonly string[] {
  return commands('add', table, permit);
}

/** And those that take it out. All of it must be there, or none of them is carried out. */
export function deletePermit(table: string, permit: Permit): readonly string[] {
  return commands('delete', table, permit);
}

function commands(verb: 'add' | 'delete', table: string, permit: Permit): readonly string[] {
  const { address, policy, generation, flow } = permit;
  const full = verb === 'add';
  const element = (set: string, values: string) => `${verb} element inet ${table} ${set} { ${values} }`;
  const some = (set: string, values: readonly string[]) => (values.length > 0 ? [element(set, values.join(', '))] : []);
  const chain = !isList(policy) ? 'by_public' : policy.ports === undefined ? 'by_list' : 'by_ports';
  const networks = isList(policy) ? networksOf(policy).map((cidr) => `${address} . ${formatCidr(cidr)}`) : [];
  const ports = isList(policy) ? merged(policy.ports ?? []).map((range) => `${address} . ${range}`) : [];
  const rate = ` limit rate over ${flow.bandwidthBytes} bytes/second burst ${flow.burstBytes} bytes`;
  return [
    element('opened', address),
    element('online', address),
    element('bandwidth', `${address}${full ? rate : ''}`),
    element('counting', `${address} : jump ${countChain(flow.connections)}`),
    ...some('networks', withoutInner(networks)),
    ...some('ports', ports),
    element('current', `${address} . ${generation}`),
    element('generation', `${address} : ${generation}`),
    ...(namesAny(policy) ? [element('asking', address)] : []),
    // Last, so that who reads the log of changes sees it allowed when all of it is there.
    element('policies', `${address} : jump ${chain}`),
  ];
}

/** Elements of an interval set may not overlap. */
function withoutInner(networks: readonly string[]): readonly string[] {
  const parsed = networks
    .map((text) => ({ text, ...split(text) }))
    .sort((a, b) => a.first - b.first || b.last - a.last);
  let end = -1;
  return parsed.flatMap(({ text, last }) => {
    if (last <= end) return [];
    end = last;
    return [text];
  });
}

function split(text: string): { readonly first: number; readonly last: number } {
  const [, cidr = ''] = text.split(' . ');
  const [address = '', bits = '32'] = cidr.split('/');
  const first = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return { first, last: first + 2 ** (32 - Number(bits)) - 1 };
}

function merged(ports: readonly string[]): readonly string[] {
  const ranges = ports.map((text) => {
    const [first = 0, last = first] = text.split('-').map(Number);
    return { first, last };
  });
  const out: { first: number; last: number }[] = [];
  for (const range of ranges.sort((a, b) => a.first - b.first)) {
    const before = out.at(-1);
    if (before && range.first <= before.last + 1) before.last = Math.max(before.last, range.last);
    else out.push({ ...range });
  }
  return out.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
}

/** A name's addresses, for so many seconds from now on, whether or not they are there already. */
export function addNames(
  table: string,
  address: string,
  names: readonly { readonly address: string; readonly seconds: number }[],
): readonly string[] {
  return names.flatMap((one) => {
    const element = (verb: string, timeout: string) =>
      `${verb} element inet ${table} names { ${address} . ${one.address}${timeout} }`;
    const timeout = ` timeout ${one.seconds}s`;
    // A second add leaves the lifetime of what is there as it was; what is not there can't be deleted.
    return [element('add', timeout), element('delete', ''), element('add', timeout)];
  });
}

export function deleteNames(table: string, address: string, addresses: readonly string[]): readonly string[] {
  return addresses.flatMap((one) => {
    const element = (verb: string) => `${verb} element inet ${table} names { ${address} . ${one} }`;
    return [element('add').replace(' }', ' timeout 1s }'), element('delete')];
  });
}
