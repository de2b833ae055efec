import { ArcError } from '../../contract/errors.ts';
import type { ImageDefaults } from '../../contract/schemas/template.ts';
import { DIGEST } from './reference.ts';

/** Reads manifests, indexes and configurations of images, OCI's and Docker's second. All of it is a stranger's data. */

export interface Descriptor {
  readonly digest: string;
  readonly size: number;
  readonly mediaType: string;
}

export interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface ImageConfig {
  readonly diffIds: readonly string[];
  readonly defaults: ImageDefaults;
}

export interface Platform {
  readonly os: string;
  /** As images call it: `amd64`, `arm64`. */
  readonly architecture: string;
}

const INDEX_ENTRIES_MAX = 512;
/** What a template's list of layers holds at most, and overlayfs takes. */
export const LAYERS_MAX = 128;
const ENV_MAX = 256;
const PORTS_MAX = 32;

const invalid = (why: string) => new ArcError('image_invalid', why);

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parseJson(body: Uint8Array, what: string): Fields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (cause) {
    throw new ArcError('image_invalid', `${what} is not JSON`, { cause });
  }
  if (!isFields(parsed)) throw invalid(`${what} is not an object`);
  return parsed;
}

function descriptor(value: unknown, what: string): Descriptor {
  if (!isFields(value)) throw invalid(`${what} is not a descriptor`);
  const { digest, size, mediaType } = value;
  if (typeof digest !== 'string' || !DIGEST.test(digest)) throw invalid(`${what} has no sha256 digest`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw invalid(`${what} has no valid size`);
  return { digest, size, mediaType: typeof mediaType === 'string' ? mediaType : '' };
}

/** Gives the manifest, or for an index the descriptor of the manifest for this platform. */
export function readManifest(body: Uint8Array, platform: Platform): Manifest | { readonly chosen: Descriptor } {
  const fields = parseJson(body, 'the manifest');
  if (fields.schemaVersion === 1) throw invalid('the image has a manifest of Docker schema 1, which is obsolete');
  if (Array.isArray(fields.manifests)) return { chosen: choose(fields.manifests, platform) };
  const layers = fields.layers;
  if (!Array.isArray(layers)) throw invalid('the manifest lists no layers');
  if (layers.length === 0) throw invalid('the image has no layers');
  if (layers.length > LAYERS_MAX) throw invalid(`the image has ${layers.length} layers, more than ${LAYERS_MAX}`);
  return {
    config: descriptor(fields.config, 'the configuration'),
    layers: layers.map((layer: unknown, index) => descriptor(layer, `layer ${index + 1}`)),
  };
}

function choose(entries: readonly unknown[], platform: Platform): Descriptor {
  if (entries.length > INDEX_ENTRIES_MAX) throw invalid('the index has too many entries');
  const offered: string[] = [];
  for (const entry of entries) {
    const of = isFields(entry) && isFields(entry.platform) ? entry.platform : undefined;
    if (!of) continue;
    if (of.os === platform.os && of.architecture === platform.architecture) return descriptor(entry, 'the entry');
    offered.push(`${String(of.os)}/${String(of.architecture)}`.slice(0, 64));
  }
  const list = offered.slice(0, 16).join(', ') || 'none';
  throw invalid(`the image is not made for ${platform.os}/${platform.architecture}; there is: ${list}`);
}

export function readConfig(body: Uint8Array, layers: number): ImageConfig {
  const fields = parseJson(body, 'the configuration');
  const rootfs = fields.rootfs;
  const diffIds = isFields(rootfs) ? rootfs.diff_ids : undefined;
  if (!Array.isArray(diffIds)) throw invalid('this is not an image of a root filesystem (no rootfs.diff_ids)');
  if (diffIds.length !== layers) throw invalid(`${diffIds.length} diff_ids for ${layers} layers`);
  for (const id of diffIds) {
    if (typeof id !== 'string' || !DIGEST.test(id)) throw invalid('a diff_id is not a sha256 digest');
  }
  return { diffIds: diffIds as string[], defaults: readDefaults(fields.config) };
}

const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];

/** The parts of an image's `config` that a template has a word for; the others (volumes, labels) say nothing to us. */
function readDefaults(config: unknown): ImageDefaults {
  if (!isFields(config)) return {};
  const command = [...strings(config.Entrypoint), ...strings(config.Cmd)];
  const env: Record<string, string> = {};
  for (const line of strings(config.Env).slice(0, ENV_MAX)) {
    const equals = line.indexOf('=');
    if (equals > 0 && /^[a-zA-Z_][a-zA-Z0-9_]{0,127}$/.test(line.slice(0, equals))) {
      env[line.slice(0, equals)] = line.slice(equals + 1);
    }
  }
  const { WorkingDir: cwd, User: user } = config;
  const ports = isFields(config.ExposedPorts) ? exposed(Object.keys(config.ExposedPorts)) : [];
  return {
    ...(command.length > 0 ? { command } : {}),
    ...(Object.keys(env).length > 0 ? { env } : {}),
    ...(typeof cwd === 'string' && cwd.startsWith('/') ? { cwd } : {}),
    ...(typeof user === 'string' && user !== '' ? { user } : {}),
    ...(ports.length > 0 ? { ports } : {}),
  };
}

/** `80/tcp`, `443`: TCP only, lowest first: an image keeps them in no order. */
function exposed(keys: readonly string[]): number[] {
  const ports = keys
    .map((key) => /^([0-9]{1,5})(?:\/tcp)?$/.exec(key)?.[1])
    .map(Number)
    .filter((port) => Number.isInteger(port) && port >= 1 && port <= 65_535);
  return [...new Set(ports)].sort((a, b) => a - b).slice(0, PORTS_MAX);
}
