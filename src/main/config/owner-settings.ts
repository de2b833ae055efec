import type { Config, Setting } from './settings.ts';
import { integer, portRange, size, switchable, templateNames } from './values.ts';

/** What owners may have and how often anybody may ask, in the form of `settings.ts`. */

export interface OwnerConfig {
  readonly quotaRunning: number | undefined;
  readonly quotaTotal: number | undefined;
  /** Bytes. */
  readonly quotaMemory: number | undefined;
  readonly quotaPerMinute: number | undefined;
  readonly quotaOnePerTemplate: boolean;
  readonly ratePerOwner: number;
  readonly ratePerAddress: number;
  readonly auditKeep: number;
  /** Templates that may ask for capabilities: names, or beginnings with `*`. */
  readonly loosenedTemplates: readonly string[];
  readonly tcpPorts: PortRange | undefined;
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

const setting = <Key extends keyof OwnerConfig>(row: Setting<Key>): Setting<Key> => row;

const MOST = 1_000_000_000;
const NO_LIMIT = 'no limit';
const OTHERWISE = 'Holds for every owner but `admin`; `arc quota` sets it for one.';

export const OWNER_SETTINGS = {
  quotaRunning: setting({
    key: 'quotaRunning',
    flag: '--quota-running',
    variable: 'ARC_QUOTA_RUNNING',
    fileKey: 'quota.running',
    placeholder: 'COUNT',
    read: integer(0, MOST),
    fallback: () => undefined,
    shown: NO_LIMIT,
    doc: `How many sandboxes of one owner run, wait for their start or are frozen at the same time. ${OTHERWISE}`,
  }),
  quotaTotal: setting({
    key: 'quotaTotal',
    flag: '--quota-total',
    variable: 'ARC_QUOTA_TOTAL',
    fileKey: 'quota.total',
    placeholder: 'COUNT',
    read: integer(0, MOST),
    fallback: () => undefined,
    shown: NO_LIMIT,
    doc: `How many sandboxes one owner has, those that are stopped included. ${OTHERWISE}`,
  }),
  quotaMemory: setting({
    key: 'quotaMemory',
    flag: '--quota-memory',
    variable: 'ARC_QUOTA_MEMORY',
    fileKey: 'quota.memory',
    placeholder: 'SIZE',
    read: size,
    fallback: () => undefined,
    shown: NO_LIMIT,
    doc: `What the memory limits of the running sandboxes of one owner may come to. ${OTHERWISE}`,
  }),
  quotaPerMinute: setting({
    key: 'quotaPerMinute',
    flag: '--quota-per-minute',
    variable: 'ARC_QUOTA_PER_MINUTE',
    fileKey: 'quota.perMinute',
    placeholder: 'COUNT',
    read: integer(0, MOST),
    fallback: () => undefined,
    shown: NO_LIMIT,
    doc: `How many sandboxes one owner creates in a minute: all of them at once, and the next ones one by one. ${OTHERWISE}`,
  }),
  quotaOnePerTemplate: setting({
    key: 'quotaOnePerTemplate',
    flag: '--quota-one-per-template',
    variable: 'ARC_QUOTA_ONE_PER_TEMPLATE',
    fileKey: 'quota.onePerTemplate',
    placeholder: undefined,
    read: switchable,
    fallback: () => false,
    shown: '`false`',
    doc: `Each owner has one sandbox of a template: asking again gives the one that is there. ${OTHERWISE}`,
  }),
  ratePerOwner: setting({
    key: 'ratePerOwner',
    flag: '--rate-per-owner',
    variable: 'ARC_RATE_PER_OWNER',
    fileKey: 'rate.perOwner',
    placeholder: 'COUNT',
    read: integer(0, MOST),
    fallback: () => 100,
    shown: '`100`',
    doc: 'Requests to the API that one owner makes in a second; ten times as many at once. Keys with the scope `admin` have no such limit. 0: none.',
  }),
  ratePerAddress: setting({
    key: 'ratePerAddress',
    flag: '--rate-per-address',
    variable: 'ARC_RATE_PER_ADDRESS',
    fileKey: 'rate.perAddress',
    placeholder: 'COUNT',
    read: integer(0, MOST),
    fallback: () => 10,
    shown: '`10`',
    doc: 'Requests without a valid key that one address (IPv6: a /64) makes in a second; ten times as many at once. Who has a valid key is not held up by them. 0: no limit.',
  }),
  auditKeep: setting({
    key: 'auditKeep',
    flag: '--audit-keep',
    variable: 'ARC_AUDIT_KEEP',
    fileKey: 'audit.keep',
    placeholder: 'COUNT',
    read: integer(1_000, 10_000_000),
    fallback: () => 200_000,
    shown: '`200000`',
    doc: 'Entries of the audit log that are kept; the oldest go first.',
  }),
  loosenedTemplates: setting({
    key: 'loosenedTemplates',
    flag: '--loosened-templates',
    variable: 'ARC_LOOSENED_TEMPLATES',
    fileKey: 'templates.loosened',
    placeholder: 'NAME,…',
    read: templateNames,
    fallback: () => ['*'],
    shown: '*',
    doc: 'Templates that may ask for `capabilities`, by name or by its beginning and `*`. `none`: no template may.',
  }),
  tcpPorts: setting({
    key: 'tcpPorts',
    flag: '--tcp-ports',
    variable: 'ARC_TCP_PORTS',
    fileKey: 'tcpPorts',
    placeholder: 'FIRST-LAST',
    read: portRange,
    fallback: () => undefined,
    shown: 'none: such ports are reached by TLS only',
    doc: 'Ports of this machine, such as `20000-20999`, that are given to the `tcp` ports of sandboxes, for clients that speak plain TCP. They listen at the host of `--edge`.',
  }),
} as const satisfies { readonly [Key in keyof OwnerConfig]: Setting<Key & keyof Config> };
