import { rm } from 'node:fs/promises';
import { isAbsolute, relative, sep } from 'node:path';

/**
 * Removes a folder with all it holds; nothing there is no error, and links are removed and not followed. This is the
 * one recursive removal there is: a wrong path, such as one joined with an empty name, is refused when it isn't
 * strictly beneath the folder that the caller says it owns.
 */
export async function removeTree(path: string, owned: string): Promise<void> {
  const inner = relative(owned, path);
  const beneath = inner !== '' && inner !== '..' && !inner.startsWith(`..${sep}`) && !isAbsolute(inner);
  if (!isAbsolute(owned) || !isAbsolute(path) || owned === sep || !beneath) {
    throw new Error(`${path} is not beneath ${owned}: it is not removed`);
  }
  await rm(path, { recursive: true, force: true, maxRetries: MAX_RETRIES });
}

/** For folders that another program is just leaving. */
const MAX_RETRIES = 2;
