import { dirname, join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import { readConfigFile } from './file.ts';
import {
  CLIENT_VARIABLES,
  type Config,
  SETTINGS,
  type Setting,
  type Surroundings,
  TEST_VARIABLES,
} from './settings.ts';
import { isLoopback } from './values.ts';

export interface ConfigInput extends Surroundings {
  /** What follows `arc up`. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder that relative paths of flags and variables are beneath. */
  readonly cwd: string;
  /** Text of a file, or undefined where there is none. May throw for one that can't be read. */
  readonly readFile: (path: string) => string | undefined;
}

/** One setting as it was written somewhere, and how people call that place. */
interface Written {
  readonly setting: Setting;
  readonly value: unknown;
  readonly where: string;
  readonly base: string;
}

const ROWS: readonly Setting[] = Object.values(SETTINGS) as unknown as readonly Setting[];
const EMPTY: ReadonlyMap<keyof Config, Written> = new Map();

/**
 * The configuration of `arc up`: flag before variable before file before default. Throws one `invalid_config` that
 * names every fault at once; what is not known is refused and never ignored.
 */
export function parseConfig(input: ConfigInput): Config {
  const faults: string[] = [];
  const flags = fromArgv(input, faults);
  const variables = fromEnvironment(input, faults);
  const located = read(SETTINGS.config, [flags, variables], faults) ?? undefined;
  const dataDir = read(SETTINGS.dataDir, [flags, variables], []) ?? SETTINGS.dataDir.fallback(input);
  const file = fromFile(input, located, join(dataDir, 'config.yaml'), faults);

  const sources = [flags, variables, file.written];
  const config: Record<string, unknown> = {};
  for (const row of ROWS) {
    // The file's own place was read, and its faults told, above.
    config[row.key] = row.key === 'config' ? file.path : (read(row, sources, faults) ?? row.fallback(input));
  }
  const parsed = Object.freeze(config) as unknown as Config;
  if (faults.length === 0) faults.push(...crossChecks(parsed));
  if (faults.length > 0) throw invalid(faults);
  return parsed;
}

function invalid(faults: readonly string[]): ArcError {
  const all = [...new Set(faults)];
  const detail = all.length === 1 ? `${all[0]}` : `${all.length} settings are wrong:\n  ${all.join('\n  ')}`;
  return new ArcError('invalid_config', detail, { extra: { faults: all } });
}

/** The first source that has the setting decides; every source that has it must be right, or a fault would hide. */
function read<Key extends keyof Config>(
  row: Setting<Key>,
  sources: readonly ReadonlyMap<keyof Config, Written>[],
  faults: string[],
): Exclude<Config[Key], undefined> | undefined {
  let decided: Exclude<Config[Key], undefined> | undefined;
  for (const source of sources) {
    const written = source.get(row.key);
    if (written === undefined) continue;
    const result = row.read(written.value, written.base);
    if (!result.ok) faults.push(`${written.where} ${result.fault}`);
    else decided ??= result.value;
  }
  return decided;
}

function fromArgv({ argv, cwd }: ConfigInput, faults: string[]): ReadonlyMap<keyof Config, Written> {
  const found = new Map<keyof Config, Written>();
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? '';
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const setting = ROWS.find((row) => row.flag === name);
    if (setting === undefined) {
      faults.push(word.startsWith('-') ? `unknown option ${name}` : `unexpected argument "${word}"`);
      continue;
    }
    let value: unknown = equals < 0 ? undefined : word.slice(equals + 1);
    if (value === undefined && setting.placeholder === undefined) value = true;
    if (value === undefined) {
      const next = argv[index + 1];
      if (next === undefined || next.startsWith('--')) {
        faults.push(`${name} needs a value: ${setting.placeholder}`);
        continue;
      }
      value = next;
      index++;
    }
    if (found.has(setting.key)) faults.push(`${name} is given more than once`);
    found.set(setting.key, { setting, value, where: name, base: cwd });
  }
  return found;
}

function fromEnvironment({ env, cwd }: ConfigInput, faults: string[]): ReadonlyMap<keyof Config, Written> {
  const found = new Map<keyof Config, Written>();
  const others = new Set<string>([...CLIENT_VARIABLES, ...TEST_VARIABLES].map((variable) => variable.name));
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || !name.startsWith('ARC_') || others.has(name)) continue;
    const setting = ROWS.find((row) => row.variable === name);
    if (setting === undefined) faults.push(`unknown variable ${name}`);
    else found.set(setting.key, { setting, value, where: name, base: cwd });
  }
  return found;
}

/** A file that was named must be there; the one in the data folder may be. */
function fromFile(
  { readFile }: ConfigInput,
  named: string | undefined,
  usual: string,
  faults: string[],
): { readonly path: string | undefined; readonly written: ReadonlyMap<keyof Config, Written> } {
  const path = named ?? usual;
  let content: string | undefined;
  try {
    content = readFile(path);
  } catch (cause) {
    faults.push(`${path} can not be read: ${cause instanceof Error ? cause.message : String(cause)}`);
    return { path, written: EMPTY };
  }
  if (content === undefined) {
    if (named !== undefined) faults.push(`${path} (--config) does not exist`);
    return { path: undefined, written: EMPTY };
  }
  const found = new Map<keyof Config, Written>();
  for (const [key, value] of readConfigFile(path, content, faults)) {
    const where = `${path}: ${key}`;
    const setting = ROWS.find((row) => row.fileKey === key);
    if (setting === undefined) faults.push(`${path}: unknown key ${key}`);
    else if (setting.key === 'dataDir' && named === undefined) {
      faults.push(`${where} can not be set by the file in the data folder itself`);
    } else found.set(setting.key, { setting, value, where, base: dirname(path) });
  }
  return { path, written: found };
}

/** What is right by itself and wrong together. */
function* crossChecks(config: Config): Generator<string> {
  const { api, edge } = config;
  const overlap = api.host === edge.host || isAny(api.host) || isAny(edge.host);
  if (api.port !== 0 && api.port === edge.port && overlap) {
    yield `${SETTINGS.api.flag} and ${SETTINGS.edge.flag} have the same port, ${api.port}`;
  }
  for (const name of ['api', 'edge'] as const) {
    const { host } = config[name];
    if (isLoopback(host) || config.insecureBind) continue;
    // The edge's own port then only sends clients on to TLS.
    if (name === 'edge' && config.edgeTls !== undefined) continue;
    yield `${SETTINGS[name].flag} ${host} is not loopback and would carry keys and traffic in the clear: put a proxy ` +
      `with TLS before it, or allow it with ${SETTINGS.insecureBind.flag}`;
  }
  yield* tlsFaults(config);
  yield* consoleFaults(config);
  const { alertDisk, alertDiskCritical } = config;
  if (alertDisk > 0 && alertDiskCritical > alertDisk) {
    yield `${SETTINGS.alertDiskCritical.flag} ${alertDiskCritical} is more than ${SETTINGS.alertDisk.flag} ${alertDisk}: below ` +
      'the first an alert is critical, so it must be the smaller one';
  }
  const room = 2 ** (32 - config.networkRange.prefix) - 2;
  if (config.maxSandboxes > room && config.networkRange.prefix > 16) {
    yield `${SETTINGS.networkRange.flag} ${config.networkRange.text} has addresses for ${room} sandboxes, fewer than ` +
      `${SETTINGS.maxSandboxes.flag} ${config.maxSandboxes}`;
  }
}

function* tlsFaults(config: Config): Generator<string> {
  const { edge, edgeTls, tlsCert, tlsKey, acmeDirectory } = config;
  const [listen, cert, key] = [SETTINGS.edgeTls.flag, SETTINGS.tlsCert.flag, SETTINGS.tlsKey.flag];
  if ((tlsCert === undefined) !== (tlsKey === undefined)) yield `${cert} and ${key} need each other`;
  if (edgeTls === undefined && tlsCert !== undefined) yield `${cert} is of no use without ${listen}`;
  if (edgeTls !== undefined && tlsCert === undefined && acmeDirectory === undefined) {
    yield `${listen} needs a certificate: ${cert} and ${key}, or ${SETTINGS.acmeDirectory.flag}`;
  }
  if (edgeTls !== undefined && edgeTls.port !== 0 && edgeTls.port === edge.port) {
    yield `${listen} and ${SETTINGS.edge.flag} have the same port, ${edge.port}`;
  }
  yield* acmeFaults(config);
}

function* acmeFaults(config: Config): Generator<string> {
  const { acmeDirectory, acmeEmail, acmeDnsHook, acmeAgreeTerms, domain } = config;
  const { flag } = SETTINGS.acmeDirectory;
  if (acmeDirectory === undefined) {
    if (acmeEmail !== undefined) yield `${SETTINGS.acmeEmail.flag} is of no use without ${flag}`;
    if (acmeDnsHook !== undefined) yield `${SETTINGS.acmeDnsHook.flag} is of no use without ${flag}`;
    if (acmeAgreeTerms) yield `${SETTINGS.acmeAgreeTerms.flag} is of no use without ${flag}`;
    return;
  }
  if (config.edgeTls === undefined) yield `${flag} is of no use without ${SETTINGS.edgeTls.flag}`;
  if (config.tlsCert !== undefined) yield `${flag} and ${SETTINGS.tlsCert.flag} exclude each other`;
  if (!acmeAgreeTerms)
    yield `${flag} needs your agreement to the terms of that service: ${SETTINGS.acmeAgreeTerms.flag}`;
  if (domain === 'localhost' || domain.endsWith('.localhost')) {
    yield `${flag} gives no certificate for ${domain}: set ${SETTINGS.domain.flag}`;
  }
}

const isAny = (host: string): boolean => host === '0.0.0.0' || host === '::';

/** Below the domain of the sandboxes a page of theirs could set the console's cookies. */
function* consoleFaults({ consoleUrl, domain }: Config): Generator<string> {
  const name = consoleUrl === undefined ? '' : new URL(consoleUrl).hostname;
  if (name === '' || (name !== domain && !name.endsWith(`.${domain}`))) return;
  yield `${SETTINGS.consoleUrl.flag} ${consoleUrl} is under ${SETTINGS.domain.flag} ${domain}: a page of a sandbox could set ` +
    'its cookies; give one of the two another domain';
}
