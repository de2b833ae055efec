import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes sure that a file is there and that its owner alone can read it; what is in it stays. For programs that make their
 * own and say themselves what is wrong when its folder is missing.
 */
export function privateFile(path: string): string {
  if (!existsSync(dirname(path))) return path;
  closeSync(openSync(path, 'a', 0o600));
  // One that was there may have been made by an earlier version, or with another umask.
  chmodSync(path, 0o600);
  return path;
}
