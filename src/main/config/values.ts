import { isIPv4, isIPv6 } from 'node:net';
import { resolve } from 'node:path';
import { parseSize } from '../../contract/units.ts';
import { formatCidr, parseCidr } from '../../domain/network/cidr.ts';
import { liesInRefused } from '../../domain/network/refused.ts';

/** How one setting is read. Each reader takes what was written and gives a value, or says what is wrong with it. */
export type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: string };
/** `base` is the folder that relative paths are beneath: the working folder, or that of the configuration file. */
export type Reader<T> = (written: unknown, base: string) => Read<T>;

const good = <T>(value: T): Read<T> => ({ ok: true, value });
const bad = (fault: string): Read<never> => ({ ok: false, fault });

/** Longest text that a setting may have, in characters. */
const MAX_TEXT_CHARS = 4096;
/** Most entries that a list setting may have. */
const MAX_LIST_ENTRIES = 64;

function text(written: unknown): Read<string> {
  if (typeof written !== 'string') return bad(`must be text, not ${nameKind(written)}`);
  if (written === '') return bad('is empty');
  if (written.length > MAX_TEXT_CHARS) return bad(`is longer than ${MAX_TEXT_CHARS} characters`);
  if (/[\0-\x1f\x7f]/.test(written)) return bad('holds a control character');
  return good(written);
}

function nameKind(written: unknown): string {
  if (written === null) return 'nothing';
  return Array.isArray(written) ? 'a list' : `a ${typeof written}`;
}

/** An absolute path; a relative one is beneath `base`. */
export const folder: Reader<string> = (written, base) => {
  const read = text(written);
  return read.ok ? good(resolve(base, read.value)) : read;
};

export const switchable: Reader<boolean> = (written) => {
  if (typeof written === 'boolean') return good(written);
  if (written === 'true' || written === '1') return good(true);
  if (written === 'false' || written === '0') return good(false);
  return bad('must be true or false');
};

export function integer(least: number, most: number): Reader<number> {
  return (written) => {
    const number = typeof written === 'string' && /^[0-9]{1,15}$/.test(written) ? Number(written) : written;
    if (typeof number !== 'number' || !Number.isInteger(number) || number < least || number > most) {
      return bad(`must be a whole number from ${least} to ${most}`);
    }
    return good(number);
  };
}

/** Of ports that one machine listens at. */
const MAX_PORT_RANGE = 4_096;

/** `20000-20999`. */
export const portRange: Reader<{ readonly first: number; readonly last: number }> = (written) => {
  const match = typeof written === 'string' ? /^([0-9]{1,5})-([0-9]{1,5})$/.exec(written) : null;
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  const fits = first >= 1_024 && last <= 65_535 && first <= last && last - first < MAX_PORT_RANGE;
  return fits
    ? good({ first, last })
    : bad(`must be a range of at most ${MAX_PORT_RANGE} ports above 1023, such as 20000-20999`);
};

/** As people write sizes, `"512MiB"`; gives bytes. */
export const size: Reader<number> = (written) => {
  const bytes = typeof written === 'string' ? parseSize(written) : written === 0 ? 0 : undefined;
  return bytes === undefined ? bad('must be a size, such as 512MiB') : good(bytes);
};

export function oneOf<const T extends string>(choices: readonly T[]): Reader<T> {
  return (written) => {
    const found = choices.find((choice) => choice === written);
    return found === undefined ? bad(`must be one of ${choices.join(', ')}`) : good(found);
  };
}

/** An address of the web without path: scheme, host and where needed its port. `*.` before the host only where `stars`. */
export function origin(stars: boolean): Reader<string> {
  return (written) => {
    const read = text(written);
    if (!read.ok) return read;
    const plain = stars ? read.value.replace('//*.', '//') : read.value;
    const fits = /^https?:\/\/[A-Za-z0-9.:[\]-]+\/?$/.test(plain) && URL.canParse(plain);
    if (!fits) return bad('must be an origin, such as https://course.example');
    const { origin: clean } = new URL(plain);
    return good(plain === read.value ? clean : clean.replace('//', '//*.'));
  };
}

/** Where a server listens. Port 0 lets the kernel choose one. */
export interface Address {
  /** An IP address, or `localhost`. IPv6 is without its brackets. */
  readonly host: string;
  readonly port: number;
}

export const address: Reader<Address> = (written) => {
  const match = typeof written === 'string' ? /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(written) : null;
  if (!match) return bad('must be HOST:PORT, such as 127.0.0.1:7700 or [::1]:7700');
  const host = match[1] ?? match[2] ?? '';
  const port = Number(match[3]);
  if (port > 65_535) return bad(`has port ${port}; the highest is 65535`);
  const isAddress = match[1] === undefined ? isIPv4(host) || host === 'localhost' : isIPv6(host);
  return isAddress ? good({ host, port }) : bad('must name an IP address or localhost before the port');
};

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** A host name, lower case, without a dot at its end. */
export const hostName: Reader<string> = (written) => {
  const read = text(written);
  if (!read.ok) return read;
  return HOST_NAME.test(read.value) ? read : bad('must be a host name in lower case, such as sandbox.example.org');
};

const TEMPLATE_NAMES = /^([a-z0-9][a-z0-9-]{0,62}\*?|\*)$/;

const templateName: Reader<string> = (written) => {
  const read = text(written);
  if (!read.ok) return read;
  return TEMPLATE_NAMES.test(read.value) ? read : bad('must be the name of a template, its beginning and `*`, or `*`');
};

/** An address of the web, by TLS, without name and password. */
export const secureUrl: Reader<string> = (written) => {
  const read = text(written);
  if (!read.ok) return read;
  const url = URL.canParse(read.value) ? new URL(read.value) : undefined;
  const fits = url?.protocol === 'https:' && url.username === '' && url.password === '' && url.hash === '';
  return fits ? good(url.href) : bad('must be an address that begins with https://');
};

export const mailAddress: Reader<string> = (written) => {
  const read = text(written);
  if (!read.ok) return read;
  return /^[^\s@,?&<>]+@[^\s@,?&<>]+$/.test(read.value)
    ? read
    : bad('must be a mail address, such as ops@course.example');
};

/** A program by its absolute path, and its arguments. Never for a shell. */
export const programWords: Reader<readonly string[]> = (written, base) => {
  const read = listOf(text)(written, base);
  if (!read.ok) return read;
  return read.value[0]?.startsWith('/') ? read : bad('must begin with the absolute path of a program');
};

/** In a variable or flag, commas part the entries; in a file it is a list. */
export function listOf<T>(reader: Reader<T>): Reader<readonly T[]> {
  return (written, base) => {
    const entries = typeof written === 'string' ? written.split(',').map((entry) => entry.trim()) : written;
    if (!Array.isArray(entries)) return bad('must be a list');
    if (entries.length > MAX_LIST_ENTRIES) return bad(`has more than ${MAX_LIST_ENTRIES} entries`);
    const values: T[] = [];
    for (const [index, entry] of entries.entries()) {
      const read = reader(entry, base);
      if (!read.ok) return bad(`entry ${index + 1} ${read.fault}`);
      values.push(read.value);
    }
    return good(Object.freeze(values));
  };
}

/** Which templates: names, beginnings and `*`, or the word `none`. */
export const templateNames: Reader<readonly string[]> = (written, base) =>
  written === 'none' ? good([]) : listOf(templateName)(written, base);

/** A range of IPv4 addresses. */
export interface Range {
  readonly text: string;
  /** The first address as a number of 32 bits. */
  readonly base: number;
  readonly prefix: number;
}

/** Ranges that nobody routes on the internet: only these may hold sandboxes. */
const PRIVATE_RANGES = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'].map(toRange);
/** A /16 has an address for each of the 60,000 slots; a /28 is the smallest that is of any use. */
const LEAST_PREFIX = 16;
const MOST_PREFIX = 28;

export const privateRange: Reader<Range> = (written) => {
  const match = typeof written === 'string' ? /^([0-9.]{7,15})\/([0-9]{1,2})$/.exec(written) : null;
  if (!match || !isIPv4(match[1] ?? '')) return bad('must be an IPv4 range such as 10.199.0.0/16');
  const range = toRange(match[0]);
  if (range.prefix < LEAST_PREFIX || range.prefix > MOST_PREFIX) {
    return bad(`must have a prefix from /${LEAST_PREFIX} to /${MOST_PREFIX}`);
  }
  if (range.base % 2 ** (32 - range.prefix) !== 0) return bad('must begin at the first address of the range');
  if (!PRIVATE_RANGES.some((outer) => range.prefix >= outer.prefix && sameNetwork(range, outer))) {
    return bad('must lie in 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10');
  }
  if (sameNetwork(range, toRange('100.100.100.200/24')))
    return bad("holds a cloud's metadata address, 100.100.100.200");
  return good(Object.freeze(range));
};

function toRange(written: string): Range {
  const [address = '', prefix = '32'] = written.split('/');
  const base = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  return { text: written, base, prefix: Number(prefix) };
}

function sameNetwork(a: Range, b: Range): boolean {
  const size = 2 ** (32 - Math.min(a.prefix, b.prefix));
  return Math.floor(a.base / size) === Math.floor(b.base / size);
}

/** A range that sandboxes are refused, and that an operator may open to allow-lists. */
export const refusedRange: Reader<string> = (written) => {
  const cidr = typeof written === 'string' ? parseCidr(written) : undefined;
  if (cidr === undefined) return bad('must be an IPv4 range such as 10.20.0.0/16');
  if (!liesInRefused(cidr)) return bad('is not refused to sandboxes; allow-lists may name it as it is');
  if (liesInRefused(cidr, [cidr])) return bad('is refused to sandboxes always');
  return good(formatCidr(cidr));
};
