import { isIPv6, type Socket } from 'node:net';
import type { EdgeLimits } from '../limits.ts';

/** Connections above the limit that are still told so in HTTP; more are closed at once. */
const OVERLOAD_ANSWERS = 256;

/** Every client's connection, counted in all and by client. */
export class Clients {
  readonly #limits: EdgeLimits;
  readonly #sockets = new Set<Socket>();
  readonly #counts = new Map<string, number>();

  constructor(limits: EdgeLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** Takes a new connection in, or closes it. */
  admit(socket: Socket): boolean {
    const client = clientOf(socket.remoteAddress);
    const count = (this.#counts.get(client) ?? 0) + 1;
    const most = isLocal(client) ? this.#limits.connectionsPerLocalClient : this.#limits.connectionsPerClient;
    if (this.#sockets.size >= this.#limits.connections + OVERLOAD_ANSWERS || count > most) {
      socket.destroy();
      return false;
    }
    this.#counts.set(client, count);
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      const left = (this.#counts.get(client) ?? 1) - 1;
      if (left === 0) this.#counts.delete(client);
      else this.#counts.set(client, left);
    });
    return true;
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** An IPv4 address, or the /64 that one IPv6 household or machine has to itself. */
export function clientOf(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  if (address.startsWith('::ffff:')) return address.slice(7);
  if (!isIPv6(address)) return address;
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array.from({ length: zeros }, () => '0'), ...after];
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return network.every((group) => group === '0') ? address : `${network.join(':')}::/64`;
}

const isLocal = (client: string): boolean => client === '::1' || client.startsWith('127.');
