import { ALERT_SETTINGS, type AlertConfig } from './alert-settings.ts';
import { OWNER_SETTINGS, type OwnerConfig } from './owner-settings.ts';
import {
  type Address,
  address,
  folder,
  hostName,
  integer,
  listOf,
  mailAddress,
  oneOf,
  origin,
  privateRange,
  programWords,
  type Range,
  type Reader,
  refusedRange,
  secureUrl,
  size,
  switchable,
} from './values.ts';

/** What code reads: every setting checked, defaults filled, frozen. */
export interface Config extends OwnerConfig, AlertConfig {
  readonly dataDir: string;
  /** The configuration file that was read, or undefined when there was none. */
  readonly config: string | undefined;
  readonly api: Address;
  readonly edge: Address;
  readonly edgeTls: Address | undefined;
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  /** URL; undefined: no ACME. */
  readonly acmeDirectory: string | undefined;
  readonly acmeEmail: string | undefined;
  readonly acmeAgreeTerms: boolean;
  /** A program and its arguments. */
  readonly acmeDnsHook: readonly string[] | undefined;
  readonly hstsSeconds: number;
  readonly connectionsPerClient: number;
  readonly domain: string;
  readonly apiHosts: readonly string[];
  readonly insecureBind: boolean;
  /** Where people's browsers reach the console; undefined: the address of the API. */
  readonly consoleUrl: string | undefined;
  readonly embedders: readonly string[];
  readonly networkRange: Range;
  /** Ranges that allow-lists may name although sandboxes are refused them. */
  readonly networkOpen: readonly string[];
  /** Empty: the name servers of the host. */
  readonly networkDns: readonly Address[];
  readonly startsAtOnce: number;
  readonly maxSandboxes: number;
  /** Bytes; undefined: a part of the machine's memory. */
  readonly warmMemory: number | undefined;
  readonly verify: VerifyWhen;
  /** Where traces are sent to; undefined: there are none. */
  readonly otlp: string | undefined;
  readonly setup: boolean;
  readonly logLevel: LogLevel;
  readonly json: boolean;
  readonly detach: boolean;
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const VERIFY_WHEN = ['start', 'asked'] as const;
export type VerifyWhen = (typeof VERIFY_WHEN)[number];

/** What a default may depend on. */
export interface Surroundings {
  readonly uid: number;
  readonly home: string;
}

export interface Setting<Key extends keyof Config = keyof Config> {
  readonly key: Key;
  readonly flag: `--${string}`;
  readonly variable: `ARC_${string}`;
  /** Its name in the file, dots for nesting; undefined for what belongs to one call and not to the machine. */
  readonly fileKey: string | undefined;
  /** What follows the flag; undefined for a switch. */
  readonly placeholder: string | undefined;
  readonly read: Reader<Exclude<Config[Key], undefined>>;
  readonly fallback: (around: Surroundings) => Config[Key];
  /** The default as people read it. */
  readonly shown: string;
  readonly doc: string;
}

/** Infers the key, so that each row's reader and default must fit the type of its own setting. */
const setting = <Key extends keyof Config>(row: Setting<Key>): Setting<Key> => row;

const LOOPBACK = '127.0.0.1';
/** Starts at once when nobody says otherwise: more make each slower on small machines, without more a second. */
const DEFAULT_STARTS_AT_ONCE = 8;
/** Slots are numbered from 1 to this. */
export const MAX_SLOTS = 60_000;
const HSTS_DEFAULT_S = 180 * 86_400;
const HSTS_MOST_S = 730 * 86_400;
/** A class behind one address: 160 browsers with six connections each. */
const DEFAULT_CONNECTIONS_PER_CLIENT = 1_000;
const DEFAULT_MAX_SANDBOXES = 4000;

/** The one table of settings. The flags, variables, file keys, defaults and docs/reference/config.md come from here. */
export const SETTINGS = {
  dataDir: setting({
    key: 'dataDir',
    flag: '--data-dir',
    variable: 'ARC_DATA_DIR',
    fileKey: 'dataDir',
    placeholder: 'DIR',
    read: folder,
    fallback: ({ uid, home }) => (uid === 0 ? '/var/lib/arc' : `${home}/.arc`),
    shown: '`/var/lib/arc` as root, else `~/.arc`',
    doc: 'The folder that holds all of Arc: database, layers, sandboxes, logs, the admin key.',
  }),
  config: setting({
    key: 'config',
    flag: '--config',
    variable: 'ARC_CONFIG',
    fileKey: undefined,
    placeholder: 'FILE',
    read: folder,
    fallback: () => undefined,
    shown: '`config.yaml` in the data folder, where there is one',
    doc: 'A file of settings, YAML or JSON.',
  }),
  api: setting({
    key: 'api',
    flag: '--api',
    variable: 'ARC_API',
    fileKey: 'api',
    placeholder: 'HOST:PORT',
    read: address,
    fallback: () => ({ host: LOOPBACK, port: 7700 }),
    shown: '`127.0.0.1:7700`',
    doc: 'Where the API listens.',
  }),
  edge: setting({
    key: 'edge',
    flag: '--edge',
    variable: 'ARC_EDGE',
    fileKey: 'edge',
    placeholder: 'HOST:PORT',
    read: address,
    fallback: () => ({ host: LOOPBACK, port: 7780 }),
    shown: '`127.0.0.1:7780`',
    doc: 'Where the traffic for sandboxes comes in.',
  }),
  edgeTls: setting({
    key: 'edgeTls',
    flag: '--edge-tls',
    variable: 'ARC_EDGE_TLS',
    fileKey: 'tls.listen',
    placeholder: 'HOST:PORT',
    read: address,
    fallback: () => undefined,
    shown: 'none: no TLS',
    doc: 'Where traffic for sandboxes comes in by TLS (HTTP/1.1 and HTTP/2). What comes in the clear on an `--edge` that is not loopback is then sent there.',
  }),
  tlsCert: setting({
    key: 'tlsCert',
    flag: '--tls-cert',
    variable: 'ARC_TLS_CERT',
    fileKey: 'tls.cert',
    placeholder: 'FILE',
    read: folder,
    fallback: () => undefined,
    shown: 'none',
    doc: 'Certificate and chain, PEM, for the domain and everything below it. Read again when it changes.',
  }),
  tlsKey: setting({
    key: 'tlsKey',
    flag: '--tls-key',
    variable: 'ARC_TLS_KEY',
    fileKey: 'tls.key',
    placeholder: 'FILE',
    read: folder,
    fallback: () => undefined,
    shown: 'none',
    doc: 'The key of that certificate, PEM.',
  }),
  acmeDirectory: setting({
    key: 'acmeDirectory',
    flag: '--acme-directory',
    variable: 'ARC_ACME_DIRECTORY',
    fileKey: 'tls.acme.directory',
    placeholder: 'URL',
    read: secureUrl,
    fallback: () => undefined,
    shown: 'none',
    doc: 'Directory of an ACME service, such as `https://acme-v02.api.letsencrypt.org/directory`, that the certificate is had from and renewed by, instead of files.',
  }),
  acmeEmail: setting({
    key: 'acmeEmail',
    flag: '--acme-email',
    variable: 'ARC_ACME_EMAIL',
    fileKey: 'tls.acme.email',
    placeholder: 'ADDRESS',
    read: mailAddress,
    fallback: () => undefined,
    shown: 'none',
    doc: 'Where that service writes to when something is wrong with the account.',
  }),
  acmeAgreeTerms: setting({
    key: 'acmeAgreeTerms',
    flag: '--acme-agree-terms',
    variable: 'ARC_ACME_AGREE_TERMS',
    fileKey: 'tls.acme.agreeTerms',
    placeholder: undefined,
    read: switchable,
    fallback: () => false,
    shown: '`false`',
    doc: 'You agree to the terms of that service. It is not asked for anything without.',
  }),
  acmeDnsHook: setting({
    key: 'acmeDnsHook',
    flag: '--acme-dns-hook',
    variable: 'ARC_ACME_DNS_HOOK',
    fileKey: 'tls.acme.dnsHook',
    placeholder: 'PROGRAM,ARGUMENT,…',
    read: programWords,
    fallback: () => undefined,
    shown: 'none: HTTP-01, and no wildcard',
    doc: 'A program, called with `set` or `clear`, NAME and VALUE of a TXT record, that proves the domain by DNS-01; the certificate is then for `*.DOMAIN`, too.',
  }),
  hstsSeconds: setting({
    key: 'hstsSeconds',
    flag: '--hsts-seconds',
    variable: 'ARC_HSTS_SECONDS',
    fileKey: 'tls.hstsSeconds',
    placeholder: 'SECONDS',
    read: integer(0, HSTS_MOST_S),
    fallback: () => HSTS_DEFAULT_S,
    shown: `\`${HSTS_DEFAULT_S}\``,
    doc: 'For how long browsers that came by TLS come by nothing else (HSTS); 0: not said. Never said for `localhost`.',
  }),
  connectionsPerClient: setting({
    key: 'connectionsPerClient',
    flag: '--connections-per-client',
    variable: 'ARC_CONNECTIONS_PER_CLIENT',
    fileKey: 'connectionsPerClient',
    placeholder: 'COUNT',
    read: integer(1, 100_000),
    fallback: () => DEFAULT_CONNECTIONS_PER_CLIENT,
    shown: `\`${DEFAULT_CONNECTIONS_PER_CLIENT}\``,
    doc: 'Connections that the edge takes from one client (an IPv4 address, an IPv6 /64) at once. Addresses of this machine have no such limit.',
  }),
  domain: setting({
    key: 'domain',
    flag: '--domain',
    variable: 'ARC_DOMAIN',
    fileKey: 'domain',
    placeholder: 'NAME',
    read: hostName,
    fallback: () => 'localhost',
    shown: '`localhost`',
    doc: 'Each sandbox is reached at its id before this name. Browsers resolve `*.localhost` by themselves.',
  }),
  apiHosts: setting({
    key: 'apiHosts',
    flag: '--api-hosts',
    variable: 'ARC_API_HOSTS',
    fileKey: 'apiHosts',
    placeholder: 'NAME,…',
    read: listOf(hostName),
    fallback: () => [],
    shown: 'none',
    doc: 'Host names that the API answers to besides `localhost` and its own address; others are refused (DNS rebinding).',
  }),
  insecureBind: setting({
    key: 'insecureBind',
    flag: '--insecure-bind',
    variable: 'ARC_INSECURE_BIND',
    fileKey: 'insecureBind',
    placeholder: undefined,
    read: switchable,
    fallback: () => false,
    shown: '`false`',
    doc: 'Allows plain HTTP on addresses other than loopback. Keys and traffic can then be read on the way.',
  }),
  consoleUrl: setting({
    key: 'consoleUrl',
    flag: '--console-url',
    variable: 'ARC_CONSOLE_URL',
    fileKey: 'console.url',
    placeholder: 'ORIGIN',
    read: origin(false),
    fallback: () => undefined,
    shown: 'the address of the API',
    doc: 'Where browsers reach the console and the pages of links, such as a proxy with TLS. It must share no site with `--domain`.',
  }),
  embedders: setting({
    key: 'embedders',
    flag: '--embedders',
    variable: 'ARC_EMBEDDERS',
    fileKey: 'console.embedders',
    placeholder: 'ORIGIN,…',
    read: listOf(origin(true)),
    fallback: () => [],
    shown: 'none',
    doc: 'Origins whose pages may show the page of a link in a frame, such as `https://course.example`.',
  }),
  networkRange: setting({
    key: 'networkRange',
    flag: '--network-range',
    variable: 'ARC_NETWORK_RANGE',
    fileKey: 'network.range',
    placeholder: 'RANGE',
    read: privateRange,
    fallback: () => ({ text: '10.199.0.0/16', base: 0x0ac7_0000, prefix: 16 }),
    shown: '`10.199.0.0/16`',
    doc: 'Private IPv4 range that sandboxes get their addresses from, /16 to /28. It must be free on this host.',
  }),
  networkOpen: setting({
    key: 'networkOpen',
    flag: '--network-open',
    variable: 'ARC_NETWORK_OPEN',
    fileKey: 'network.open',
    placeholder: 'RANGE,…',
    read: listOf(refusedRange),
    fallback: () => [],
    shown: 'none',
    doc:
      'Private ranges that the allow-lists of templates may name, such as `10.20.0.0/16`. Metadata services, the host ' +
      'and other sandboxes stay refused.',
  }),
  networkDns: setting({
    key: 'networkDns',
    flag: '--network-dns',
    variable: 'ARC_NETWORK_DNS',
    fileKey: 'network.dns',
    placeholder: 'HOST:PORT,…',
    read: listOf(address),
    fallback: () => [],
    shown: "those of the host's resolv.conf",
    doc: 'Name servers that Arc asks for sandboxes whose network is a list of names, such as `10.0.0.2:53`.',
  }),
  startsAtOnce: setting({
    key: 'startsAtOnce',
    flag: '--starts-at-once',
    variable: 'ARC_STARTS_AT_ONCE',
    fileKey: 'startsAtOnce',
    placeholder: 'COUNT',
    read: integer(1, 256),
    fallback: () => DEFAULT_STARTS_AT_ONCE,
    shown: `\`${DEFAULT_STARTS_AT_ONCE}\``,
    doc: 'How many sandboxes are being started at the same moment; the others wait in the queue.',
  }),
  maxSandboxes: setting({
    key: 'maxSandboxes',
    flag: '--max-sandboxes',
    variable: 'ARC_MAX_SANDBOXES',
    fileKey: 'maxSandboxes',
    placeholder: 'COUNT',
    read: integer(1, MAX_SLOTS),
    fallback: () => DEFAULT_MAX_SANDBOXES,
    shown: `\`${DEFAULT_MAX_SANDBOXES}\``,
    doc: 'How many sandboxes this machine holds at most; a create beyond it is refused with `at_capacity`.',
  }),
  warmMemory: setting({
    key: 'warmMemory',
    flag: '--warm-memory',
    variable: 'ARC_WARM_MEMORY',
    fileKey: 'warmMemory',
    placeholder: 'SIZE',
    read: size,
    fallback: () => undefined,
    shown: 'a quarter of the memory of the machine',
    doc: 'How much memory the sandboxes that wait in the pools of templates may take together; `0B` keeps none.',
  }),
  ...OWNER_SETTINGS,
  ...ALERT_SETTINGS,
  verify: setting({
    key: 'verify',
    flag: '--verify',
    variable: 'ARC_VERIFY',
    fileKey: 'verify',
    placeholder: 'WHEN',
    read: oneOf(VERIFY_WHEN),
    fallback: () => 'start',
    shown: '`start`',
    doc: 'When the adversary is run at each level: at the `start` of a machine that was not verified since it was booted, or only when `asked` by `arc verify`.',
  }),
  otlp: setting({
    key: 'otlp',
    flag: '--otlp',
    variable: 'ARC_OTLP',
    fileKey: 'otlp',
    placeholder: 'ORIGIN',
    read: origin(false),
    fallback: () => undefined,
    shown: 'none: no traces',
    doc: 'A collector of OpenTelemetry (OTLP over HTTP), such as `http://127.0.0.1:4318`, that traces of creates are sent to.',
  }),
  setup: setting({
    key: 'setup',
    flag: '--setup',
    variable: 'ARC_SETUP',
    fileKey: 'setup',
    placeholder: undefined,
    read: switchable,
    fallback: () => true,
    shown: '`true`',
    doc: 'Whether `arc up` installs packages that are missing. When false it only names them.',
  }),
  logLevel: setting({
    key: 'logLevel',
    flag: '--log-level',
    variable: 'ARC_LOG_LEVEL',
    fileKey: 'logLevel',
    placeholder: 'LEVEL',
    read: oneOf(LOG_LEVELS),
    fallback: () => 'info',
    shown: '`info`',
    doc: "The least level of the server's own log that is written: debug, info, warn or error.",
  }),
  json: setting({
    key: 'json',
    flag: '--json',
    variable: 'ARC_JSON',
    fileKey: 'json',
    placeholder: undefined,
    read: switchable,
    fallback: () => false,
    shown: '`false`',
    doc: 'Prints for programs, one JSON document a line, instead of for people.',
  }),
  detach: setting({
    key: 'detach',
    flag: '--detach',
    variable: 'ARC_DETACH',
    fileKey: undefined,
    placeholder: undefined,
    read: switchable,
    fallback: () => false,
    shown: '`false`',
    doc: 'Returns once the server is ready and leaves it running; `arc down` stops it.',
  }),
} as const satisfies { readonly [Key in keyof Config]: Setting<Key> };

export interface OtherVariable {
  readonly name: `ARC_${string}`;
  readonly doc: string;
}

/** Variables that the launcher and the client commands read. `arc up` lets them be. */
export const CLIENT_VARIABLES: readonly OtherVariable[] = [
  { name: 'ARC_URL', doc: 'Address of the API that client commands talk to, instead of the one in the data folder.' },
  { name: 'ARC_API_KEY', doc: 'The key that client commands send, instead of `admin.key` of the data folder.' },
  { name: 'ARC_NODE', doc: 'The Node program that the launcher runs Arc with.' },
];

/** Variables that only tests set. */
export const TEST_VARIABLES: readonly OtherVariable[] = [
  { name: 'ARC_TEST_CRASH_AT', doc: 'The name of the step at which the crash test kills the server.' },
  { name: 'ARC_TEST_KILLS', doc: 'How often the crash test kills at random.' },
  { name: 'ARC_TEST_SEED', doc: 'The seed that a randomised test begins with, so that a failure can be replayed.' },
];
