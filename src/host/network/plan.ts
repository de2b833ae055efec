import { createHash } from 'node:crypto';
import { ArcError } from '../../contract/errors.ts';
import { base32 } from '../../contract/ids.ts';
import type { NetworkPolicy } from '../../contract/spec.ts';
import { type Cidr, formatAddress, parseCidr, sizeOf } from '../../domain/network/cidr.ts';
import { IDS_PER_SLOT } from '../uids/range.ts';

/** Slots are numbered from 1; the bound leaves room for names of 15 characters and for the gateway in a /16. */
export const SLOTS_MAX = 60_000;
const RANGE_BITS_MIN = 8;
const RANGE_BITS_MAX = 28;
const TAG_LENGTH = 4;

/** Everything about a slot that follows from its number. One plan per data folder. */
export interface NetworkPlan {
  readonly range: Cidr;
  /** Tells apart the tables and interfaces of several Arcs on one host. */
  readonly tag: string;
  readonly table: string;
  readonly gateway: string;
  readonly slots: number;
  readonly mtu: number;
  address(slot: number): string;
  /** At most 15 characters; tells people what it was started with. What it may do now, the firewall's sets say. */
  hostInterface(slot: number, policy: NetworkPolicy): string;
  prefix(kind: 'none' | 'public'): string;
  ids(slot: number): { readonly hostBase: number; readonly count: number };
}

/**
 * @param instance what names this Arc on the host, such as the path of its data folder
 * @param hostBase the first of the host ids that are a slot's own on this machine
 */
export function networkPlan(
  rangeText: string,
  instance: string,
  mtu: number,
  hostBase: (slot: number) => number,
): NetworkPlan {
  const range = parseCidr(rangeText);
  if (range === undefined || range.bits < RANGE_BITS_MIN || range.bits > RANGE_BITS_MAX) {
    throw new ArcError('invalid_config', `network.range: "${rangeText}" is not an IPv4 network from /8 to /28`);
  }
  const tag = instanceTag(instance);
  const prefix = (kind: 'none' | 'public') => `arc${kind === 'public' ? 'p' : 'n'}${tag}`;
  return {
    range,
    tag,
    table: `arc_${tag}`,
    gateway: formatAddress(range.base + sizeOf(range) - 2),
    slots: Math.min(SLOTS_MAX, sizeOf(range) - 3),
    mtu,
    address: (slot) => formatAddress(range.base + slot),
    hostInterface: (slot, policy) => `${prefix(policy === 'none' ? 'none' : 'public')}${String(slot).padStart(5, '0')}`,
    prefix,
    ids: (slot) => ({ hostBase: hostBase(slot), count: IDS_PER_SLOT }),
  };
}

export function instanceTag(instance: string): string {
  return base32(createHash('sha256').update(instance).digest().subarray(0, 3)).slice(0, TAG_LENGTH);
}
