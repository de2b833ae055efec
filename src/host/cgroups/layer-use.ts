import { statfs } from 'node:fs/promises';

/** OVERLAYFS_SUPER_MAGIC of linux/magic.h */
const OVERLAY = 0x794c7630;

/**
 * Bytes used in the writable layer beneath a process's root, which the overlay reports as its own. Undefined where the
 * process is gone, or stands in another file system than the sandbox's programs do, as gVisor's does.
 */
export async function readLayerUse(pid: number): Promise<number | undefined> {
  try {
    // The link itself leads into the sandbox's mount namespace; nothing inside of it is walked.
    const { type, bsize, blocks, bfree } = await statfs(`/proc/${pid}/root/`);
    return type === OVERLAY ? (blocks - bfree) * bsize : undefined;
  } catch {
    return undefined;
  }
}
