import { isIP } from 'node:net';
import { SANDBOX_ID } from '../contract/ids.ts';

/** What the first label of a host name, or the segment after `/_sb/`, names. No port: the sandbox's first. */
export interface Target {
  readonly id: string;
  readonly port?: number;
}

export type HostKind =
  | { readonly kind: 'sandbox'; readonly target: Target }
  /** The edge itself, by its own name or address: only `/_sb/…` is served there. */
  | { readonly kind: 'edge' }
  /** Below the domain, but no sandbox can have that name. */
  | { readonly kind: 'unknown' }
  /** Some other name: refused, so that a page elsewhere can't point its own name at this machine. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'malformed' };

/** Characters of a host name or address with an optional port, and nothing else: no `@`, no `/`, no spaces. */
const HOST = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::([0-9]{0,5}))?$/;
const LABEL_WITH_PORT = /^([1-9][0-9]{0,4})-(sb-[a-z2-7]{4,37})$/;
const PORT_MAX = 65_535;

const EDGE: HostKind = { kind: 'edge' };
const UNKNOWN: HostKind = { kind: 'unknown' };
const FOREIGN: HostKind = { kind: 'foreign' };
const MALFORMED: HostKind = { kind: 'malformed' };

/** `ID` or `PORT-ID`, lower case. */
export function parseLabel(label: string): Target | undefined {
  if (SANDBOX_ID.test(label)) return { id: label };
  const match = LABEL_WITH_PORT.exec(label);
  if (!match?.[1] || !match[2]) return undefined;
  const port = Number(match[1]);
  return port <= PORT_MAX ? { id: match[2], port } : undefined;
}

/** The port that a Host header names, or undefined where it names none. */
export function hostPort(host: string): string | undefined {
  return HOST.exec(host.toLowerCase())?.[2] || undefined;
}

/**
 * @param domain lower case, without a dot at either end
 * @param names other names of the edge itself, lower case
 */
export function parseHost(host: string, domain: string, names: ReadonlySet<string>): HostKind {
  const match = HOST.exec(host.toLowerCase());
  if (!match?.[1] || Number(match[2] ?? 0) > PORT_MAX) return MALFORMED;
  const name = match[1].endsWith('.') ? match[1].slice(0, -1) : match[1];
  if (name.length > domain.length && name.endsWith(domain) && name[name.length - domain.length - 1] === '.') {
    const target = parseLabel(name.slice(0, -domain.length - 1));
    if (target) return { kind: 'sandbox', target };
    return names.has(name) ? EDGE : UNKNOWN;
  }
  if (name === domain || names.has(name) || name.startsWith('[') || isIP(name) === 4) return EDGE;
  return name === '' || name.includes('..') ? MALFORMED : FOREIGN;
}
