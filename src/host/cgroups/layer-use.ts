import { statfs } from 'node:fs/promises';

/** OVERLAYFS_SUPER_MAGIC of linux/magic.h */
const OVERLAY = 0x794c7630;

/**
 * Bytes used in the writable layer, which the overlay reports as its own. Undefined where the process is gone.
 * @param root where the sandbox's root is, as the mount namespace of the process shows it
 */
export async function readLayerUse(pid: number, root = '/'): Promise<number | undefined> {
  try {
    // The link leads into that mount namespace; walked is only the host's own path to where the root is mounted.
    const { type, bsize, blocks, bfree } = await statfs(`/proc/${pid}/root${root}`);
    return type === OVERLAY ? (blocks - bfree) * bsize : undefined;
  } catch {
    return undefined;
  }
}
