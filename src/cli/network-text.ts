import type { Network } from '../contract/schemas/template.ts';
import { UsageError } from './command.ts';

/** `none`, `public`, or what it may connect to. */
export function networkText(network: Network): string {
  if (typeof network === 'string') return network;
  const ports = network.ports === undefined ? '' : ` (ports ${network.ports.join(', ')})`;
  return `${network.allow.join(', ')}${ports}`;
}

/** What people write after `--network`: none, public, or networks and names with commas between them. */
export function networkOf(text: string, ports: string | undefined): Network {
  const words = text.split(',').map((word) => word.trim());
  const [word] = words;
  if (words.length === 1 && (word === 'none' || word === 'public')) {
    if (ports !== undefined) throw new UsageError(`--ports belongs to a list of names and networks, not to ${word}`);
    return word;
  }
  if (words.some((one) => one === '' || one === 'none' || one === 'public')) {
    throw new UsageError(`--network ${text}: none, public, or names and networks with commas between them are wanted`);
  }
  return { allow: words, ...(ports === undefined ? {} : { ports: ports.split(',').map((one) => one.trim()) }) };
}
