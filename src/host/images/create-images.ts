import { lstat, mkdir, realpath } from 'node:fs/promises';
import { join, resolve as resolvePath, sep } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import type { ImageDefaults } from '../../contract/schemas/template.ts';
import type { RootRef } from '../../contract/spec.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import { Places } from '../../kit/places.ts';
import type { NodeHelper } from '../helper/port.ts';
import type { AddedRoot, Images, PullProgress, PullRequest } from '../images.ts';
import { sha256 } from './digest.ts';
import { downloadBlob } from './download.ts';
import { markLayer } from './layer-marks.ts';
import { LayerStore } from './layer-store.ts';
import {
  type Descriptor,
  type ImageConfig,
  type Manifest,
  type Platform,
  readConfig,
  readManifest,
} from './manifest.ts';
import { parseReference, type Reference } from './reference.ts';
import { RegistryClient } from './registry-client.ts';
import { SharedFlights } from './shared-flights.ts';
import { type UnpackJob, unpack } from './unpack.ts';
import type { UnpackLimits, UnpackResult } from './unpack-tar.ts';

export interface Builtins {
  /** Directories, lowest first; built when they are not there. */
  resolve(name: string): Promise<readonly string[]>;
  prune(inUse: readonly string[]): Promise<{ readonly layers: number; readonly bytes: number }>;
}

export interface ImagesOptions {
  readonly dataDir: string;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Makes overlayfs marks; without it the system's tar does. */
  readonly helper?: Pick<NodeHelper, 'layerMarks'>;
  readonly builtins?: Builtins;
  readonly limits?: Partial<UnpackLimits>;
  /** Without a byte from the registry for so long it counts as gone. */
  readonly stallMs?: number;
  readonly platform?: Platform;
}

const STALL_MS = 30_000;
const CONFIG_BYTES_MAX = 8 * 1024 * 1024;
const DOWNLOADS_MAX = 3;
const UNPACKS_MAX = 2;
const INDEX_DEPTH_MAX = 2;
/** A progress report for each of these, and one at the end. */
const PROGRESS_BYTES = 256 * 1024;

export const DEFAULT_LIMITS: UnpackLimits = {
  bytesMax: 20 * 1024 ** 3,
  entriesMax: 1_000_000,
  ratioMax: 250,
  reserveBytes: 256 * 1024 ** 2,
};

export function createImages(options: ImagesOptions): Images {
  return new LocalImages(options);
}

class LocalImages implements Images {
  readonly #options: ImagesOptions;
  readonly #limits: UnpackLimits;
  readonly #layers: LayerStore;
  readonly #flights = new SharedFlights<void>();
  readonly #downloads = new Places(DOWNLOADS_MAX);
  readonly #unpacks = new Places(UNPACKS_MAX);

  constructor(options: ImagesOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#layers = new LayerStore(options.dataDir, options.clock);
  }

  async pull(request: PullRequest): Promise<AddedRoot> {
    const reference = parseReference(request.image);
    const client = new RegistryClient(reference, {
      clock: this.#options.clock,
      stallMs: this.#options.stallMs ?? STALL_MS,
      signal: request.signal,
      ...(request.credentials ? { credentials: request.credentials } : {}),
    });
    request.onProgress?.({ layer: reference.text, done: 0, total: undefined, phase: 'resolving' });
    const { manifest, digest } = await this.#manifest(client, reference);
    const config = await this.#config(client, manifest);
    using _held = this.#layers.hold(config.diffIds);
    await this.#layers.prepare();
    // One failure ends the whole pull; the others are called off and waited for, so that nothing is left half made.
    const control = new AbortController();
    const signal = AbortSignal.any([request.signal, control.signal]);
    const results = await Promise.allSettled(
      config.diffIds.map((diffId, index) =>
        this.#layer(client, at(manifest.layers, index), diffId, signal, request).catch((cause) => {
          control.abort(cause);
          throw cause;
        }),
      ),
    );
    request.signal.throwIfAborted();
    if (control.signal.aborted) throw control.signal.reason;
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    this.#options.logger.info({ image: reference.text, digest, layers: config.diffIds.length }, 'image is ready');
    return { root: { kind: 'layers', digests: withoutRepeats(config.diffIds) }, defaults: config.defaults, digest };
  }

  async #manifest(client: RegistryClient, reference: Reference): Promise<{ manifest: Manifest; digest: string }> {
    let wanted = reference.digest;
    let digest: string | undefined;
    for (let depth = 0; depth <= INDEX_DEPTH_MAX; depth += 1) {
      const { body } = await client.manifest(wanted ?? reference.tag ?? 'latest');
      const got = sha256(body);
      if (wanted !== undefined && got !== wanted) {
        throw new ArcError('image_digest_mismatch', `manifest ${wanted}: what came is ${got}`);
      }
      // The outermost one is what a person pins: it stays the same on machines of other kinds.
      digest ??= got;
      const read = readManifest(body, this.#options.platform ?? thisPlatform());
      if (!('chosen' in read)) return { manifest: read, digest };
      wanted = read.chosen.digest;
    }
    throw new ArcError('image_invalid', 'the image is an index of indexes of indexes');
  }

  async #config(client: RegistryClient, manifest: Manifest): Promise<ImageConfig> {
    const body = await client.smallBlob(manifest.config.digest, CONFIG_BYTES_MAX);
    const got = sha256(body);
    if (got !== manifest.config.digest) {
      throw new ArcError('image_digest_mismatch', `configuration ${manifest.config.digest}: what came is ${got}`);
    }
    return readConfig(body, manifest.layers.length);
  }

  async #layer(
    client: RegistryClient,
    blob: Descriptor,
    diffId: string,
    signal: AbortSignal,
    request: PullRequest,
  ): Promise<void> {
    const say = (phase: PullProgress['phase'], done: number) =>
      request.onProgress?.({ layer: blob.digest, done, total: blob.size, phase });
    if (!(await this.#layers.has(diffId))) {
      await this.#flights.join(diffId, signal, (shared) => this.#fetchLayer(client, blob, diffId, shared, say));
    }
    say('ready', blob.size);
  }

  async #fetchLayer(
    client: RegistryClient,
    blob: Descriptor,
    diffId: string,
    signal: AbortSignal,
    say: (phase: PullProgress['phase'], done: number) => void,
  ): Promise<void> {
    if (await this.#layers.has(diffId)) return;
    await using work = await this.#layers.workFolder();
    const file = join(work.path, 'blob');
    await this.#downloads.run(async () => {
      signal.throwIfAborted();
      let said = 0;
      say('downloading', 0);
      await downloadBlob(client.withSignal(signal), blob, file, (done) => {
        if (done - said < PROGRESS_BYTES && done < blob.size) return;
        said = done;
        say('downloading', done);
      });
    });
    const result = await this.#unpack({ kind: 'file', path: file }, work.path, signal, () => say('unpacking', 0));
    if (result.diffId !== diffId) {
      const why = `layer ${blob.digest}: unpacked it is ${result.diffId}, its image says ${diffId}`;
      throw new ArcError('image_digest_mismatch', why);
    }
    await this.#layers.commit(join(work.path, 'root'), diffId);
  }

  async #unpack(
    source: UnpackJob['source'],
    work: string,
    signal: AbortSignal,
    begin: () => void,
  ): Promise<UnpackResult> {
    return this.#unpacks.run(async () => {
      signal.throwIfAborted();
      begin();
      const into = join(work, 'root');
      await mkdir(into, { mode: 0o755 });
      const marks = this.#options.helper;
      const result = await unpack(
        { source, into, limits: this.#limits },
        (found) => markLayer(into, found, marks && ((...args) => marks.layerMarks(...args))),
        signal,
      );
      if (result.notes.length > 0) this.#options.logger.warn({ notes: result.notes }, 'left out of a layer');
      return result;
    });
  }

  async addPath(path: string, signal: AbortSignal): Promise<AddedRoot> {
    const source = await this.#source(path);
    await using work = await this.#layers.workFolder();
    const { diffId } = await this.#unpack(source, work.path, signal, () => {});
    using _held = this.#layers.hold([diffId]);
    await this.#layers.commit(join(work.path, 'root'), diffId);
    const defaults: ImageDefaults = {};
    return { root: { kind: 'layers', digests: [diffId] }, defaults };
  }

  async #source(path: string): Promise<UnpackJob['source']> {
    const missing = (cause: unknown) =>
      new ArcError('invalid_template', `root.path ${path} can not be read`, { cause });
    const real = await realpath(path).catch((cause) => Promise.reject(missing(cause)));
    const stat = await lstat(real).catch((cause) => Promise.reject(missing(cause)));
    if (stat.isFile()) return { kind: 'file', path: real };
    if (!stat.isDirectory()) throw new ArcError('invalid_template', `root.path ${path} is neither a folder nor a file`);
    const data = await realpath(this.#options.dataDir).catch(() => resolvePath(this.#options.dataDir));
    const inside = (inner: string, outer: string) =>
      inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep);
    if (inside(data, real) || inside(real, data)) {
      throw new ArcError('invalid_template', `root.path ${path} holds, or lies in, the data folder of Arc itself`);
    }
    return { kind: 'folder', path: real };
  }

  async resolve(root: RootRef): Promise<readonly string[]> {
    if (root.kind === 'builtin') {
      if (!this.#options.builtins) throw new ArcError('template_not_found', `there is no builtin ${root.name} here`);
      return this.#options.builtins.resolve(root.name);
    }
    await this.#layers.prepare();
    for (const digest of root.digests) {
      if (!(await this.#layers.has(digest)))
        throw new ArcError('template_not_found', `the layer ${digest} is not here`);
    }
    return root.digests.map((digest) => this.#layers.path(digest));
  }

  async prune(inUse: readonly RootRef[]): Promise<{ readonly layers: number; readonly bytes: number }> {
    const digests = new Set(inUse.flatMap((root) => (root.kind === 'layers' ? root.digests : [])));
    const names = inUse.flatMap((root) => (root.kind === 'builtin' ? [root.name] : []));
    const layers = await this.#layers.prune(digests);
    const builtins = (await this.#options.builtins?.prune(names)) ?? { layers: 0, bytes: 0 };
    return { layers: layers.layers + builtins.layers, bytes: layers.bytes + builtins.bytes };
  }
}

/**
 * Overlayfs takes a folder once. Of a layer that an image has several times (mostly an empty one) the topmost is enough:
 * all that the lower ones bring or hide, it brings or hides as well.
 */
function withoutRepeats(digests: readonly string[]): string[] {
  return digests.filter((digest, index) => digests.lastIndexOf(digest) === index);
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new ArcError('image_invalid', 'layers and diff_ids differ in number');
  return item;
}

function thisPlatform(): Platform {
  const names: Record<string, string> = { x64: 'amd64', ia32: '386' };
  return { os: 'linux', architecture: names[process.arch] ?? process.arch };
}
