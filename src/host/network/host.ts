import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { ArcError } from '../../contract/errors.ts';
import { type Cidr, formatCidr, overlap, parseAddress } from '../../domain/network/cidr.ts';
import type { NetworkPlan } from './plan.ts';

/** A network or address that this host already uses, and by which interface. */
export interface HostNetwork {
  readonly cidr: Cidr;
  readonly device: string;
}

const MTU_DEFAULT = 1500;

/** Routes (main table) and addresses of the host, without the default route. */
export async function hostNetworks(): Promise<readonly HostNetwork[]> {
  const addresses = Object.entries(networkInterfaces()).flatMap(([device, list]) =>
    (list ?? []).flatMap((entry) => {
      const base = entry.family === 'IPv4' ? parseAddress(entry.address) : undefined;
      return base === undefined ? [] : [{ device, cidr: { base, bits: 32 } }];
    }),
  );
  return [...parseRoutes(await readFile('/proc/net/route', 'utf8')), ...addresses];
}

/** `/proc/net/route`: hexadecimal words in the byte order of the machine, little-endian on all that Arc runs on. */
export function parseRoutes(text: string): readonly HostNetwork[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .filter((fields) => fields.length > 7)
    .map((fields) => ({ device: fields[0] ?? '', base: word(fields[1]), bits: ones(word(fields[7])) }))
    .filter((route) => route.bits > 0)
    .map(({ device, base, bits }) => ({ device, cidr: { base, bits } }));
}

function word(hex = '0'): number {
  return Buffer.from(hex.padStart(8, '0'), 'hex').readUInt32LE(0);
}

function ones(mask: number): number {
  return mask.toString(2).replaceAll('0', '').length;
}

/** Throws address_range_in_use when the host uses a part of the range for anything but this Arc's own sandboxes. */
export function checkRange(plan: NetworkPlan, used: readonly HostNetwork[]): void {
  const own = (network: HostNetwork) =>
    network.device.startsWith(plan.prefix('none')) || network.device.startsWith(plan.prefix('public'));
  const clash = used.find((network) => !own(network) && overlap(network.cidr, plan.range));
  if (clash === undefined) return;
  throw new ArcError(
    'address_range_in_use',
    `${formatCidr(plan.range)} overlaps with ${formatCidr(clash.cidr)} on ${clash.device}`,
  );
}

/** MTU of the interface that the default route leaves by; a larger one inside would only make packets that get lost. */
export async function uplinkMtu(): Promise<number> {
  const lines = (await readFile('/proc/net/route', 'utf8')).split('\n').slice(1);
  const device = lines.map((line) => line.split('\t')).find((fields) => fields[1] === '00000000')?.[0];
  if (device === undefined || !/^[^/\s]{1,15}$/.test(device)) return MTU_DEFAULT;
  const mtu = Number(await readFile(`/sys/class/net/${device}/mtu`, 'utf8').catch(() => ''));
  return mtu >= 576 && mtu <= 65_535 ? Math.min(mtu, MTU_DEFAULT) : MTU_DEFAULT;
}
