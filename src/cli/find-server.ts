import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ArcError } from '../contract/errors.ts';
import { UsageError } from './command.ts';
import type { CliEnv } from './env.ts';

export interface ServerAddress {
  readonly url: string;
  readonly key: string;
}

type FindEnv = Pick<CliEnv, 'environment' | 'cwd' | 'home' | 'uid'>;

/** Where client commands find the server: the option, then the environment, then the client's file, then the default folder. */
export function findServer(env: FindEnv, dataDirOption: string | undefined): ServerAddress {
  if (dataDirOption !== undefined) return fromDataDir(resolve(env.cwd, dataDirOption), env);
  const { ARC_URL: url, ARC_API_KEY: key, ARC_DATA_DIR: dataDir } = env.environment;
  if (url) {
    if (!key) throw notConnected('ARC_URL is set, but ARC_API_KEY is not', 'Set ARC_API_KEY to a key of that server.');
    return { url: checkUrl(url, 'ARC_URL'), key };
  }
  if (dataDir) return fromDataDir(resolve(env.cwd, dataDir), env, key);
  const file = readClientFile(env);
  if (file.url !== undefined) {
    const fileKey =
      key || file.apiKey || (file.apiKeyFile === undefined ? undefined : readText(file.apiKeyFile)?.trim());
    if (!fileKey) throw notConnected(`${file.path} names a server and no key`, 'Add `apiKey` or `apiKeyFile` to it.');
    return { url: checkUrl(file.url, file.path), key: fileKey };
  }
  return fromDataDir(file.dataDir ?? defaultDataDir(env), env, key);
}

/** The data folder where `findServer` finds it; undefined where an address says where the server is. */
export function findDataDir(env: FindEnv, dataDirOption: string | undefined): string | undefined {
  const { ARC_URL: url, ARC_DATA_DIR: dataDir } = env.environment;
  if (dataDirOption !== undefined) return resolve(env.cwd, dataDirOption);
  if (url) return undefined;
  if (dataDir) return resolve(env.cwd, dataDir);
  const file = readClientFile(env);
  return file.url === undefined ? (file.dataDir ?? defaultDataDir(env)) : undefined;
}

export function defaultDataDir(env: Pick<CliEnv, 'uid' | 'home'>): string {
  return env.uid === 0 ? '/var/lib/arc' : join(env.home, '.arc');
}

function fromDataDir(dataDir: string, env: FindEnv, givenKey?: string): ServerAddress {
  const hint = hintFor(env);
  const text = readText(join(dataDir, 'server.json'));
  if (text === undefined) throw notConnected(`no server was started with the data folder ${dataDir}`, hint);
  const key = givenKey || readText(join(dataDir, 'admin.key'))?.trim();
  if (!key) throw notConnected(`there is no admin.key in ${dataDir}`, hint);
  let api: unknown;
  try {
    api = (JSON.parse(text) as { api?: unknown }).api;
  } catch {
    api = undefined;
  }
  if (typeof api !== 'string')
    throw notConnected(`${join(dataDir, 'server.json')} doesn't say where the server is`, hint);
  return { url: checkUrl(api, join(dataDir, 'server.json')), key };
}

function hintFor(env: FindEnv): string {
  const start = 'Start one with `arc up`, or name one with --data-dir, or ARC_URL and ARC_API_KEY.';
  return env.uid === 0 ? start : `${start} A server of root's keeps its key from other users.`;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'EACCES' || code === 'EPERM') {
      throw notConnected(
        `${path} may not be read`,
        'Run this as the user of the server, or set ARC_URL and ARC_API_KEY.',
      );
    }
    throw notConnected(`${path} can not be read: ${(cause as Error).message}`, 'Name the data folder with --data-dir.');
  }
}

interface ClientFile {
  readonly path: string;
  readonly url?: string;
  readonly apiKey?: string;
  readonly apiKeyFile?: string;
  readonly dataDir?: string;
}
const CLIENT_FILE_KEYS = ['url', 'apiKey', 'apiKeyFile', 'dataDir'];

/** `client.json` in the user's configuration folder. JSON, because every command reads it before anything else. */
function readClientFile(env: FindEnv): ClientFile {
  const folder = env.environment.XDG_CONFIG_HOME || join(env.home, '.config');
  const path = join(folder, 'arc', 'client.json');
  const text = readText(path);
  if (text === undefined) return { path };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${path} is not JSON: ${(cause as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UsageError(`${path} must be an object`);
  const faults: string[] = [];
  for (const [key, entry] of Object.entries(value)) {
    if (!CLIENT_FILE_KEYS.includes(key)) faults.push(`unknown key "${key}"`);
    else if (typeof entry !== 'string') faults.push(`"${key}" must be text`);
  }
  if (faults.length > 0)
    throw new UsageError(`${path}: ${faults.join('; ')}`, `It may have ${CLIENT_FILE_KEYS.join(', ')}.`);
  return { ...(value as Omit<ClientFile, 'path'>), path };
}

function checkUrl(url: string, source: string): string {
  if (!/^https?:\/\/[^/\s]+/.test(url))
    throw new UsageError(`${source} must be an address such as http://127.0.0.1:7700`);
  return url;
}

function notConnected(detail: string, hint: string): ArcError {
  return new ArcError('not_connected', detail, { hint });
}
