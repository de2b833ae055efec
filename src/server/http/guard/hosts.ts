import { isIP } from 'node:net';

/**
 * Which `Host` names are served. A page on the web can point its own name at 127.0.0.1 (DNS rebinding) and would then
 * speak to this API as if it were its own server; its name in `Host` gives it away.
 */
export class HostNames {
  readonly #names: ReadonlySet<string>;

  constructor(listenHost: string, extra: readonly string[]) {
    const bare = (name: string) => name.toLowerCase().replace(/^\[|\]$/g, '');
    this.#names = new Set(['localhost', '127.0.0.1', '::1', bare(listenHost), ...extra.map(bare)]);
  }

  /** @param localAddress where the connection arrived: an address, unlike a name, can not be re-pointed. */
  allows(header: string | undefined, localAddress: string | undefined): boolean {
    const name = header === undefined ? undefined : hostName(header);
    if (name === undefined) return false;
    if (this.#names.has(name)) return true;
    return isIP(name) !== 0 && name === localAddress?.replace(/^::ffff:/, '');
  }
}

/** `[::1]:80` → `::1`, `A.b:80` → `a.b`; undefined for what is no host. */
export function hostName(header: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::[0-9]{1,5})?$/i.exec(header);
  const name = (match?.[1] ?? match?.[2])?.toLowerCase();
  return name?.endsWith('.') && match?.[2] !== undefined ? name.slice(0, -1) : name;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || (isIP(host) === 4 && host.startsWith('127.'));
}
