import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Names {
  readonly id: string;
  readonly address: string;
  readonly resolvers: readonly string[];
  /** Keeps gVisor from mounting a file system of its own over an empty /tmp, where the files API would not see it. */
  readonly holdTmp: boolean;
}

/**
 * The top layer of a sandbox's root: hostname, hosts and resolv.conf as plain files of it. Nothing of the host is bound in
 * for them, and whoever is root inside may change them. The folder must not be there yet.
 */
export async function writeNames(folder: string, names: Names): Promise<void> {
  const etc = join(folder, 'etc');
  await mkdir(etc, { recursive: true });
  await Promise.all([chmod(folder, 0o755), chmod(etc, 0o755)]);
  await Promise.all([
    writeFile(join(etc, 'hostname'), `${names.id}\n`, { mode: 0o644 }),
    writeFile(join(etc, 'hosts'), hosts(names), { mode: 0o644 }),
    writeFile(join(etc, 'resolv.conf'), resolvConf(names.resolvers), { mode: 0o644 }),
  ]);
  if (!names.holdTmp) return;
  const tmp = join(folder, 'tmp');
  await mkdir(tmp);
  await chmod(tmp, 0o1777);
  await writeFile(join(tmp, '.arc'), '', { mode: 0o444 });
}

export function hosts(names: Names): string {
  return `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${names.address}\t${names.id}\n`;
}

/** Without a server in it a lookup asks 127.0.0.1 inside, where nothing listens, and fails at once. */
export function resolvConf(resolvers: readonly string[]): string {
  if (resolvers.length === 0) return '# this sandbox has no outbound network\n';
  return `${resolvers.map((address) => `nameserver ${address}`).join('\n')}\noptions timeout:2 attempts:2\n`;
}
