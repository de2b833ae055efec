import { existsSync, lstatSync } from 'node:fs';

/**
 * What a root of the host's own programs shows, read-only: programs and libraries, and of /etc only what they can't run
 * without and nobody keeps a secret in. No /home, /root, /var, /run, no other /etc.
 */
const PROGRAMS = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];
const OF_ETC = ['/etc/alternatives', '/etc/ld.so.cache', '/etc/ssl/certs'];

/** Where a folder is a link into /usr (most systems), the root has the same link, and nothing is to be shown for it. */
export function hostPaths(): readonly string[] {
  const shown = PROGRAMS.filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isDirectory());
  return [...shown, ...OF_ETC.filter((path) => existsSync(path))];
}
