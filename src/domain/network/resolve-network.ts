import type { Network } from '../../contract/schemas/template.ts';
import type { NetworkPolicy } from '../../contract/spec.ts';
import { formatAllowed, formatPorts, parseAllowed, parsePorts } from './allow-list.ts';
import { type Cidr, parseCidr } from './cidr.ts';
import { liesInRefused } from './refused.ts';

/** Ranges that the operator lets allow-lists name although sandboxes are refused them, as written in the settings. */
export function openRanges(texts: readonly string[]): readonly Cidr[] {
  return texts.flatMap((text) => parseCidr(text) ?? []);
}

/** A policy as people write it, checked and in its one way of writing. Faults go to `fault`. */
export function resolveNetwork(network: Network, open: readonly Cidr[], fault: (text: string) => void): NetworkPolicy {
  if (typeof network === 'string') return network;
  const allow = network.allow.flatMap((text) => {
    const allowed = parseAllowed(text);
    if (text.includes(':')) fault(`network.allow: ${text}: sandboxes have no IPv6`);
    else if (allowed === undefined) fault(`network.allow: ${JSON.stringify(text)} is no network, address or name`);
    else if (allowed.kind === 'network' && liesInRefused(allowed.cidr, open)) {
      fault(`network.allow: ${text} is refused to every sandbox here; the operator may open a part with network.open`);
    }
    return allowed === undefined ? [] : [formatAllowed(allowed)];
  });
  const ports = network.ports?.flatMap((text) => {
    const range = parsePorts(text);
    if (range === undefined) fault(`network.ports: ${text} is no port or range of ports`);
    return range === undefined ? [] : [formatPorts(range)];
  });
  return { allow: [...new Set(allow)], ...(ports === undefined ? {} : { ports: [...new Set(ports)] }) };
}
