import { ArcError } from '../contract/errors.ts';
import type { CreateRequest } from '../contract/schemas/sandbox.ts';
import type { Idle, ImageDefaults, Pool, Template } from '../contract/schemas/template.ts';
import type {
  IdleSpec,
  Limits,
  PoolSpec,
  PoolWindow,
  ReadySpec,
  ResolvedSpec,
  RootRef,
  TtlPolicy,
} from '../contract/spec.ts';
import { parseDuration, parseSize } from '../contract/units.ts';
import { chooseLevel, type LevelSeen, levelRank, levelsOfRoot } from './choose-level.ts';
import { LOG_RATE_BOUNDS } from './log-rate.ts';
import { describePolicy, isList, within } from './network/allow-list.ts';
import { type Cidr, parseCidr } from './network/cidr.ts';
import { FLOW_BOUNDS } from './network/flow.ts';
import { resolveNetwork } from './network/resolve-network.ts';
import { readWindow } from './pool/schedule.ts';
import { OPERATOR } from './quota.ts';

const MIB = 1024 ** 2;

/** What a template that says nothing gets. */
export const DEFAULTS = {
  memoryBytes: 128 * MIB,
  cpus: 1,
  pids: 256,
  openFiles: 4096,
  diskBytes: 256 * MIB,
  diskKind: 'image',
  isolation: 'container',
  network: 'none',
  logBytes: 8 * MIB,
  readyTimeoutMs: 30_000,
  user: '0',
  cwd: '/',
  path: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
} as const;

/** Bounds on what may be asked for. */
export const BOUNDS = {
  memoryBytes: { min: MIB, max: 16 * 1024 ** 4 },
  diskBytes: { min: MIB, max: 16 * 1024 ** 4 },
  logBytes: { min: 64 * 1024, max: 1024 ** 3 },
  ttlMs: { min: 1_000, max: 366 * 86_400_000 },
  readyTimeoutMs: { min: 1, max: 3_600_000 },
  /** Below the least, the time between two looks at what is used would be longer than the limit. */
  idleMs: { min: 2_000, max: 366 * 86_400_000 },
  ttlGraceMs: { min: 0, max: 366 * 86_400_000 },
  labels: 32,
  env: 256,
  /** Of all small files that come with a create. */
  filesBytes: 65_536,
} as const;

/** Collects every fault before it throws, so that a person mends all of them at once. */
class Faults {
  readonly #found: string[] = [];

  add(text: string): void {
    this.#found.push(text);
  }

  size(field: string, text: string | undefined, otherwise: number, bounds: { min: number; max: number }): number {
    return this.#number(field, text, text === undefined ? otherwise : parseSize(text), otherwise, bounds, 'size');
  }

  duration(field: string, text: string | undefined, otherwise: number, bounds: { min: number; max: number }): number {
    const value = text === undefined ? otherwise : parseDuration(text);
    return this.#number(field, text, value, otherwise, bounds, 'duration');
  }

  #number(
    field: string,
    text: string | undefined,
    value: number | undefined,
    otherwise: number,
    bounds: { min: number; max: number },
    kind: string,
  ): number {
    if (value === undefined) this.add(`${field}: ${JSON.stringify(text)} is not a ${kind}`);
    else if (text !== undefined && value < bounds.min) this.add(`${field}: ${text} is too small`);
    else if (text !== undefined && value > bounds.max) this.add(`${field}: ${text} is too large`);
    return value ?? otherwise;
  }

  throwIfAny(code: 'invalid_template' | 'invalid_request'): void {
    if (this.#found.length > 0) throw new ArcError(code, this.#found.join('; '), { extra: { faults: this.#found } });
  }
}

/**
 * A template with what its root says about itself: what a create starts from. Its command may still be missing.
 * @param owner whose secrets its names mean
 * @param open ranges that the operator lets allow-lists name, though they are refused otherwise
 */
export function resolveTemplate(
  template: Template,
  root: RootRef,
  image: ImageDefaults = {},
  owner: string = OPERATOR,
  open: readonly Cidr[] = [],
): ResolvedSpec {
  const faults = new Faults();
  const ports = template.ports ?? image.ports ?? [];
  const env = { PATH: DEFAULTS.path, ...image.env, ...template.env };
  if (Object.keys(env).length > BOUNDS.env) faults.add(`env: more than ${BOUNDS.env} variables with the image's own`);
  for (const text of [...(template.command ?? []), ...Object.values(env)]) {
    if (text.includes('\0')) faults.add('command and env: a NUL character can not be passed to a program');
  }
  const spec: ResolvedSpec = {
    template: template.name,
    root,
    command: template.command ?? image.command ?? [],
    env,
    cwd: template.cwd ?? (image.cwd || DEFAULTS.cwd),
    user: template.user ?? (image.user || DEFAULTS.user),
    ports: [...ports],
    ready: resolveReady(template, ports, faults),
    limits: resolveLimits(template, faults),
    isolation: template.isolation ?? DEFAULTS.isolation,
    capabilities: template.capabilities ?? [],
    network: resolveNetwork(template.network ?? DEFAULTS.network, open, (text) => faults.add(text)),
    ...resolveFlow(template, faults),
    ttlMs: template.ttl === undefined ? null : faults.duration('ttl', template.ttl, 0, BOUNDS.ttlMs),
    afterReboot: template.afterReboot ?? 'recreate',
    logBytes: faults.size('logs', template.logs, DEFAULTS.logBytes, BOUNDS.logBytes),
    ...(template.logRate === undefined
      ? {}
      : { logRate: faults.size('logRate', template.logRate, 0, LOG_RATE_BOUNDS) }),
    ...(template.usually === undefined ? {} : { usually: template.usually }),
    ...(template.tcp === undefined ? {} : { tcp: template.tcp }),
    ...(template.access === undefined ? {} : { access: template.access }),
    ...resolveSecrets(template, owner, faults),
    ...(template.onePerOwner ? { onePerOwner: true } : {}),
    ...(template.pool ? { pool: resolvePool(template.pool, faults) } : {}),
    ...resolveLife(template, faults),
  };
  const levels = levelsOfRoot(root);
  if (levelRank(spec.usually ?? spec.isolation) < levelRank(spec.isolation)) {
    faults.add(`usually: ${spec.usually} is weaker than isolation, ${spec.isolation}`);
  }
  if (!levels.includes(spec.isolation)) faults.add(`isolation: this root runs at ${levels.join(', ')} only`);
  faults.throwIfAny('invalid_template');
  return spec;
}

function resolveSecrets(
  { secrets = [], flag }: Pick<Template, 'secrets' | 'flag'>,
  owner: string,
  faults: Faults,
): Pick<ResolvedSpec, 'secrets' | 'flag'> {
  for (const [field, use] of [...secrets.map((one) => ['secrets', one] as const), ['flag', flag] as const]) {
    if (use === undefined) continue;
    if (use.env === undefined && use.file === undefined)
      faults.add(`${field}: ${use.secret} goes nowhere; give env or file`);
    if (use.file !== undefined && !isPlainPath(use.file))
      faults.add(`${field}: ${use.file} is no path of a file to write`);
  }
  return {
    ...(secrets.length === 0 ? {} : { secrets: secrets.map((use) => ({ ...use, owner })) }),
    ...(flag === undefined ? {} : { flag: { format: DEFAULT_FLAG, ...flag, owner } }),
  };
}

const DEFAULT_FLAG = 'flag{%s}';

function resolveFlow(template: Template, faults: Faults): Pick<ResolvedSpec, 'flow'> {
  const { bandwidth, connections } = template;
  if (bandwidth === undefined && connections === undefined) return {};
  const bandwidthBytes =
    bandwidth === undefined ? undefined : faults.size('bandwidth', bandwidth, 0, FLOW_BOUNDS.bandwidthBytes);
  return {
    flow: {
      ...(bandwidthBytes === undefined ? {} : { bandwidthBytes }),
      ...(connections === undefined ? {} : { connections }),
    },
  };
}

function resolvePool(pool: Pool, faults: Faults): PoolSpec {
  const schedule: PoolWindow[] = [];
  for (const [index, one] of (pool.schedule ?? []).entries()) {
    const window = readWindow(one);
    if (typeof window === 'string') faults.add(`pool.schedule[${index}]: ${window}`);
    else schedule.push(window);
  }
  const most = Math.max(pool.min, ...schedule.map(({ min }) => min));
  const { min, max = most, env = 'command' } = pool;
  if (max < min) faults.add(`pool.max: ${max} is less than pool.min, ${min}`);
  else if (max < most) faults.add(`pool.schedule: ${most} is more than pool.max, ${max}`);
  return { min, max, env, ...(schedule.length === 0 ? {} : { schedule }) };
}

function resolveLife(template: Template, faults: Faults): Pick<ResolvedSpec, 'idle' | 'ttlPolicy'> {
  const optional = (field: 'ttlWarning' | 'ttlGrace' | 'ttlMax', bounds: { min: number; max: number }) =>
    template[field] === undefined ? undefined : faults.duration(field, template[field], 0, bounds);
  const warningMs = optional('ttlWarning', BOUNDS.ttlMs);
  const graceMs = optional('ttlGrace', BOUNDS.ttlGraceMs);
  const maxMs = optional('ttlMax', BOUNDS.ttlMs);
  if (template.ttl === undefined && (warningMs ?? graceMs) !== undefined && maxMs === undefined) {
    faults.add('ttlWarning and ttlGrace: there is no `ttl` that they belong to');
  }
  const ttlPolicy: TtlPolicy = {
    ...(warningMs === undefined ? {} : { warningMs }),
    ...(graceMs ? { graceMs } : {}),
    ...(maxMs === undefined ? {} : { maxMs }),
  };
  return {
    ...(template.idle === undefined ? {} : { idle: resolveIdle(template.idle, faults) }),
    ...(Object.keys(ttlPolicy).length === 0 ? {} : { ttlPolicy }),
  };
}

function resolveIdle(idle: Idle, faults: Faults): IdleSpec {
  const hardMs = faults.duration('idle.hard', idle.hard, 0, BOUNDS.idleMs);
  const softMs = idle.soft === undefined ? undefined : faults.duration('idle.soft', idle.soft, 0, BOUNDS.ttlMs);
  const stopMs = idle.stop === undefined ? undefined : faults.duration('idle.stop', idle.stop, 0, BOUNDS.ttlMs);
  const end = idle.then ?? 'stopped';
  if (softMs !== undefined && softMs >= hardMs) faults.add('idle.soft: must be less than `idle.hard`');
  if (stopMs !== undefined && end !== 'frozen') faults.add('idle.stop: only with `then: frozen`');
  if (idle.keep && end !== 'stopped' && stopMs === undefined) faults.add('idle.keep: it is never stopped');
  return {
    hardMs,
    then: end,
    keep: idle.keep ?? false,
    ...(softMs === undefined ? {} : { softMs }),
    ...(stopMs === undefined ? {} : { stopMs }),
    ...(idle.cpu === undefined ? {} : { cpus: idle.cpu }),
  };
}

/** The time to live is never longer than the template allows. */
function resolveTtl(base: ResolvedSpec, request: CreateRequest, faults: Faults): number | null {
  const most = base.ttlPolicy?.maxMs;
  if (request.ttl === undefined) return base.ttlMs === null ? (most ?? null) : Math.min(base.ttlMs, most ?? base.ttlMs);
  const bounds = { ...BOUNDS.ttlMs, ...(most === undefined ? {} : { max: most }) };
  return faults.duration('ttl', request.ttl, 0, bounds);
}

function resolveLimits(template: Template, faults: Faults): Limits {
  return {
    memoryBytes: faults.size('memory', template.memory, DEFAULTS.memoryBytes, BOUNDS.memoryBytes),
    cpus: template.cpus ?? DEFAULTS.cpus,
    pids: template.pids ?? DEFAULTS.pids,
    openFiles: template.openFiles ?? DEFAULTS.openFiles,
    diskBytes: faults.size('disk', template.disk, DEFAULTS.diskBytes, BOUNDS.diskBytes),
    diskKind: template.diskKind ?? DEFAULTS.diskKind,
  };
}

function resolveReady(template: Template, ports: readonly number[], faults: Faults): ReadySpec {
  if (template.ready === 'none') return { kind: 'none', timeoutMs: DEFAULTS.readyTimeoutMs };
  const ready = template.ready ?? {};
  const timeoutMs = faults.duration('ready.timeout', ready.timeout, DEFAULTS.readyTimeoutMs, BOUNDS.readyTimeoutMs);
  const first = ports[0];
  if (ready.command) {
    if (ready.port !== undefined || ready.http !== undefined) faults.add('ready: `command` excludes `port` and `http`');
    return { kind: 'command', command: ready.command, timeoutMs };
  }
  const port = ready.port ?? first;
  if (ready.http !== undefined) {
    if (port === undefined) faults.add('ready.http: there is no port to ask; give `ports` or `ready.port`');
    return { kind: 'http', path: ready.http, ...(port === undefined ? {} : { port }), timeoutMs };
  }
  return port === undefined ? { kind: 'none', timeoutMs } : { kind: 'port', port, timeoutMs };
}

/**
 * What one create gets: the template with the request over it. Asks for more protection are met, for less refused.
 * @param seen the levels of the machines, for a request that leaves the choice to us
 */
export function resolveRequest(
  base: ResolvedSpec,
  request: CreateRequest,
  seen: readonly LevelSeen[] = [],
  owner: string = OPERATOR,
): ResolvedSpec {
  const faults = new Faults();
  const command = request.command ?? base.command;
  const env = { ...base.env, ...request.env };
  if (Object.keys(env).length > BOUNDS.env)
    faults.add(`env: more than ${BOUNDS.env} variables with the template's own`);
  if ([...command, ...Object.values(env)].some((text) => text.includes('\0'))) {
    faults.add('command and env: a NUL character can not be passed to a program');
  }
  const { limits } = base;
  const { idle: usual, ...rest } = base;
  const idle =
    request.idle === undefined ? usual : request.idle === 'none' ? undefined : resolveIdle(request.idle, faults);
  const spec: ResolvedSpec = {
    ...rest,
    ...(idle === undefined ? {} : { idle }),
    command,
    env,
    limits: {
      ...limits,
      memoryBytes: faults.size('memory', request.memory, limits.memoryBytes, BOUNDS.memoryBytes),
      cpus: request.cpus ?? limits.cpus,
      pids: request.pids ?? limits.pids,
      diskBytes: faults.size('disk', request.disk, limits.diskBytes, BOUNDS.diskBytes),
    },
    isolation: chooseLevel(base, request.isolation, seen),
    ...narrowed(base, request, faults),
    ...(request.access === undefined ? {} : { access: request.access }),
    ...withSecrets(base, resolveSecrets(request.secrets ? { secrets: request.secrets } : {}, owner, faults)),
    ttlMs: resolveTtl(base, request, faults),
  };
  checkFiles(request.files ?? {}, faults);
  faults.throwIfAny('invalid_request');
  if (command.length === 0) {
    throw new ArcError('invalid_template', `template ${base.template} has no command, nor has its image`, {
      hint: 'Give a command with the create, or add one to the template.',
    });
  }
  return spec;
}

/** A create asks for at most the network of its template. */
function narrowed(
  base: ResolvedSpec,
  request: CreateRequest,
  faults: Faults,
): Pick<ResolvedSpec, 'network' | 'networkMost'> {
  if (request.network === undefined) return { network: base.network };
  // What the template's own entries may name was checked with the template; only these can be within them.
  const given = isList(base.network) ? base.network.allow.flatMap((text) => parseCidr(text) ?? []) : [];
  const network = resolveNetwork(request.network, given, (text) => faults.add(text));
  if (!within(base.network, network)) {
    const most = describePolicy(base.network);
    faults.add(`network: template ${base.template} allows ${most}; a create can not ask for more`);
  }
  const same = describePolicy(network) === describePolicy(base.network);
  return same ? { network: base.network } : { network, networkMost: base.network };
}

/** Later ones win over the template's. */
function withSecrets(
  { secrets = [] }: ResolvedSpec,
  more: Pick<ResolvedSpec, 'secrets'>,
): Pick<ResolvedSpec, 'secrets'> {
  return more.secrets === undefined ? {} : { secrets: [...secrets, ...more.secrets] };
}

function isPlainPath(path: string): boolean {
  const parts = path.split('/').slice(1);
  const kernels = ['proc', 'sys', 'dev'].includes(parts[0] ?? '');
  return !kernels && parts.every((part) => part !== '' && part !== '.' && part !== '..');
}

function checkFiles(files: Readonly<Record<string, string>>, faults: Faults): void {
  let bytes = 0;
  for (const [path, text] of Object.entries(files)) {
    bytes += Buffer.byteLength(text);
    if (!isPlainPath(path)) faults.add(`files: ${JSON.stringify(path.slice(0, 80))} is no path of a file to write`);
  }
  if (bytes > BOUNDS.filesBytes) faults.add(`files: more than ${BOUNDS.filesBytes} bytes; use the files API for more`);
}

/** The template's labels with the request's over them. */
export function mergeLabels(
  template: Readonly<Record<string, string>> | undefined,
  request: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  const labels = { ...template, ...request };
  if (Object.keys(labels).length > BOUNDS.labels) {
    throw new ArcError('invalid_request', `labels: more than ${BOUNDS.labels} with the template's own`);
  }
  return labels;
}
