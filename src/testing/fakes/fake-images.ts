import { createHash } from 'node:crypto';
import { ArcError } from '../../contract/errors.ts';
import type { ImageDefaults } from '../../contract/schemas/template.ts';
import type { RootRef } from '../../contract/spec.ts';
import type { AddedRoot, Images, PullRequest } from '../../host/images.ts';

/** Bytes that each layer is said to have. */
const LAYER_BYTES = 1_000;

/** Images that a test says there are; layers are remembered by content, as real ones are. */
export class FakeImages implements Images {
  readonly images: Map<string, ImageDefaults>;
  readonly layers = new Set<string>();

  constructor(images: Readonly<Record<string, ImageDefaults>> = {}) {
    this.images = new Map(Object.entries(images));
  }

  async pull(request: PullRequest): Promise<AddedRoot> {
    request.signal.throwIfAborted();
    const defaults = this.images.get(request.image);
    if (!defaults) throw new ArcError('image_not_found', `there is no image ${request.image}`);
    const digest = this.#hold(request.image);
    request.onProgress?.({ layer: digest, done: LAYER_BYTES, total: LAYER_BYTES, phase: 'ready' });
    return { root: { kind: 'layers', digests: [digest] }, defaults, digest };
  }

  async addPath(path: string, signal: AbortSignal): Promise<AddedRoot> {
    signal.throwIfAborted();
    return { root: { kind: 'layers', digests: [this.#hold(path)] }, defaults: {} };
  }

  async resolve(root: RootRef): Promise<readonly string[]> {
    if (root.kind === 'builtin') return [`/builtin/${root.name}`];
    const missing = root.digests.find((digest) => !this.layers.has(digest));
    if (missing !== undefined) throw new ArcError('template_not_found', `layer ${missing} is missing`);
    return root.digests.map((digest) => `/layers/${digest}`);
  }

  async prune(inUse: readonly RootRef[]): Promise<{ readonly layers: number; readonly bytes: number }> {
    const used = new Set(inUse.flatMap((root) => (root.kind === 'layers' ? root.digests : [])));
    let layers = 0;
    for (const layer of this.layers) if (!used.has(layer) && this.layers.delete(layer)) layers += 1;
    return { layers, bytes: layers * LAYER_BYTES };
  }

  #hold(name: string): string {
    const digest = `sha256:${createHash('sha256').update(name).digest('hex')}`;
    this.layers.add(digest);
    return digest;
  }
}
