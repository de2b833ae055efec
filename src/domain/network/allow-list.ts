import type { NetworkList, NetworkPolicy } from '../../contract/spec.ts';
import { type Cidr, formatCidr, overlap, parseAddress, parseCidr } from './cidr.ts';
import { liesInRefused } from './refused.ts';

/** One thing that an allow-list lets a sandbox connect to. */
export type Allowed =
  | { readonly kind: 'network'; readonly cidr: Cidr }
  /** `wild`: names beneath this one, at any depth, and not this one itself. */
  | { readonly kind: 'name'; readonly name: string; readonly wild: boolean };

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

const LABEL = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?';
const NAME = new RegExp(`^(?=.{1,253}$)(\\*\\.)?(${LABEL}\\.)+(?![0-9]+$)${LABEL}$`);
const PORT_MAX = 65_535;

/** A network, an address, a name, or `*.` and a name; `undefined` for what is none of them. */
export function parseAllowed(text: string): Allowed | undefined {
  const address = parseAddress(text);
  const cidr = address === undefined ? parseCidr(text) : { base: address, bits: 32 };
  if (cidr !== undefined) return { kind: 'network', cidr };
  const name = text.toLowerCase().replace(/\.$/, '');
  if (!NAME.test(name)) return undefined;
  const wild = name.startsWith('*.');
  return { kind: 'name', name: wild ? name.slice(2) : name, wild };
}

export function formatAllowed(allowed: Allowed): string {
  if (allowed.kind === 'network') return formatCidr(allowed.cidr);
  return allowed.wild ? `*.${allowed.name}` : allowed.name;
}

/** `443` or `8000-8999`. */
export function parsePorts(text: string | number): PortRange | undefined {
  const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(String(text));
  const first = Number(match?.[1]);
  const last = match?.[2] === undefined ? first : Number(match[2]);
  return match && first >= 1 && last >= first && last <= PORT_MAX ? { first, last } : undefined;
}

export function formatPorts({ first, last }: PortRange): string {
  return first === last ? `${first}` : `${first}-${last}`;
}

export function allowedOf(list: NetworkList): readonly Allowed[] {
  return list.allow.flatMap((text) => parseAllowed(text) ?? []);
}

export function networksOf(list: NetworkList): readonly Cidr[] {
  return allowedOf(list).flatMap((one) => (one.kind === 'network' ? [one.cidr] : []));
}

export function isList(policy: NetworkPolicy): policy is NetworkList {
  return typeof policy === 'object';
}

/** Does it let names be looked up at all? */
export function namesAny(policy: NetworkPolicy): boolean {
  return policy === 'public' || (isList(policy) && allowedOf(policy).some(({ kind }) => kind === 'name'));
}

/** May this name be looked up? Of an allow-list only what it names. */
export function allowsName(policy: NetworkPolicy, asked: string): boolean {
  if (!isList(policy)) return policy === 'public';
  const name = asked.toLowerCase().replace(/\.$/, '');
  return allowedOf(policy).some((one) => one.kind === 'name' && coversName(one, name));
}

function coversName(allowed: Allowed & { kind: 'name' }, name: string): boolean {
  return allowed.wild ? name.endsWith(`.${allowed.name}`) : name === allowed.name;
}

/** May who is given `most` have `wanted`: is all that it opens open already? */
export function within(most: NetworkPolicy, wanted: NetworkPolicy): boolean {
  if (wanted === 'none') return true;
  if (most === 'none' || (wanted === 'public' && most !== 'public')) return false;
  if (wanted === 'public') return true;
  const entries = allowedOf(wanted);
  if (most === 'public') return entries.every((one) => one.kind === 'name' || !liesInRefused(one.cidr));
  const given = allowedOf(most);
  return entries.every((one) => given.some((outer) => covers(outer, one))) && portsWithin(most, wanted);
}

function covers(outer: Allowed, inner: Allowed): boolean {
  if (outer.kind === 'network') {
    return inner.kind === 'network' && outer.cidr.bits <= inner.cidr.bits && overlap(outer.cidr, inner.cidr);
  }
  if (inner.kind !== 'name') return false;
  if (!inner.wild) return coversName(outer, inner.name);
  return outer.wild && (inner.name === outer.name || coversName(outer, inner.name));
}

/** Each range lies in one of the others; ranges that only together cover it are not looked for. */
function portsWithin(most: NetworkList, wanted: NetworkList): boolean {
  if (most.ports === undefined) return true;
  const given = most.ports.flatMap((text) => parsePorts(text) ?? []);
  const asked = wanted.ports?.map((text) => parsePorts(text));
  const fits = (range: PortRange) => given.some(({ first, last }) => first <= range.first && range.last <= last);
  return asked?.every((range) => range && fits(range)) ?? false;
}

/** In few words, for people. */
export function describePolicy(policy: NetworkPolicy): string {
  if (!isList(policy)) return policy;
  const ports = policy.ports === undefined ? '' : ` ports ${policy.ports.join(', ')}`;
  return `${policy.allow.join(', ')}${ports}`;
}
