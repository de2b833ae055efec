import { type Cidr, contains, parseAddress, parseCidr, sizeOf } from '../../domain/network/cidr.ts';
import { REFUSED_V4 } from '../../domain/network/refused.ts';

/**
 * What the kernel's listing of the firewall's table leaves open that must be refused to every sandbox, in words.
 *
 * @param listing of `nft -s list table`
 */
export function ruleFaults(listing: string): readonly string[] {
  const outbound = chain(listing, 'outbound');
  const open = REFUSED_V4.filter((network) => !covered(network, refusedIn(chain(listing, 'by_public'))));
  return [
    ...(outbound.at(-1) === 'jump refuse' ? [] : ['what no policy lets out is not refused']),
    ...(chain(listing, 'forward').some((rule) => rule.endsWith('jump outbound'))
      ? []
      : ['nothing looks at what is sent']),
    ...(open.length === 0 ? [] : [`${open.join(', ')} can be reached`]),
  ];
}

function chain(listing: string, name: string): readonly string[] {
  const body = new RegExp(`chain ${name} \\{([\\s\\S]*?)\\n\\t\\}`).exec(listing)?.[1] ?? '';
  return body
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** The networks of the first rule, in whatever way the kernel has merged them. */
function refusedIn(rules: readonly string[]): readonly Cidr[] {
  const list = /^ip daddr \{ (.*) \} jump refuse$/.exec(rules[0] ?? '')?.[1] ?? '';
  return list.split(', ').flatMap((text) => {
    const address = parseAddress(text);
    return (address === undefined ? parseCidr(text) : { base: address, bits: 32 }) ?? [];
  });
}

function covered(network: string, by: readonly Cidr[]): boolean {
  const cidr = parseCidr(network);
  if (cidr === undefined) return false;
  return by.some((one) => contains(one, cidr.base) && contains(one, cidr.base + sizeOf(cidr) - 1));
}
