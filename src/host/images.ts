import type { ImageDefaults } from '../contract/schemas/template.ts';
import type { RootRef } from '../contract/spec.ts';

/** What holds root filesystems on a node: layers by content, shared between sandboxes, never written to by them. */

export interface PullProgress {
  readonly layer: string;
  readonly done: number;
  readonly total: number | undefined;
  readonly phase: 'resolving' | 'downloading' | 'unpacking' | 'ready';
}

export interface PullRequest {
  /** `registry/name:tag`, `registry/name@sha256:…`; without a registry: docker.io. */
  readonly image: string;
  readonly credentials?: { readonly username: string; readonly password: string };
  /** Plain HTTP is for loopback registries only, and is chosen by itself there. */
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: PullProgress) => void;
}

export interface AddedRoot {
  readonly root: RootRef;
  readonly defaults: ImageDefaults;
  /** Digest of the manifest, for an image. */
  readonly digest?: string;
}

export interface Images {
  /** Throws image_not_found, registry_unreachable, registry_denied, image_digest_mismatch, archive_refused, disk_full. */
  pull(request: PullRequest): Promise<AddedRoot>;
  /** A folder, or a tar (plain, gzip, zstd), of one root filesystem. */
  addPath(path: string, signal: AbortSignal): Promise<AddedRoot>;
  /** Directories, lowest first. Builds a builtin at its first use. Throws template_not_found when a layer is missing. */
  resolve(root: RootRef): Promise<readonly string[]>;
  /** Removes layers that none of these roots uses; gives what was freed. */
  prune(inUse: readonly RootRef[]): Promise<{ readonly layers: number; readonly bytes: number }>;
}

export { createImages, type ImagesOptions } from './images/create-images.ts';
