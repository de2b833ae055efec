import { createSocket } from 'node:dgram';
import { type AddressInfo, connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../../kit/clock.ts';

/** Something on this machine that answers whoever comes: that a sandbox does not reach it proves something then. */
export interface Listener extends AsyncDisposable {
  readonly port: number;
}

/** Ports are tried that are free for TCP; it is rare that the same one is taken for UDP. */
const TRIES = 8;

/** TCP and UDP at one port, on every address. Whoever connects is let in and sent away; a datagram comes back. */
export async function openListener(): Promise<Listener> {
  for (let attempt = 1; ; attempt += 1) {
    const tcp = createServer((socket) => socket.on('error', () => {}).end());
    await new Promise<void>((resolve, reject) => {
      tcp.once('error', reject);
      tcp.listen(0, '0.0.0.0', resolve);
    });
    const { port } = tcp.address() as AddressInfo;
    const udp = createSocket('udp4');
    const bound = await new Promise<boolean>((resolve) => {
      udp.once('error', () => resolve(false));
      udp.bind(port, '0.0.0.0', () => resolve(true));
    });
    const close = async () => {
      await new Promise((resolve) => tcp.close(resolve));
      if (bound) await new Promise<void>((resolve) => udp.close(resolve));
    };
    if (bound) {
      udp.on('error', () => {});
      udp.on('message', (data, from) => udp.send(data, from.port, from.address, () => {}));
      return { port, [Symbol.asyncDispose]: close };
    }
    await close();
    if (attempt === TRIES) throw new Error('no port is free for TCP and UDP alike');
  }
}

/** IPv4 addresses of this machine that others see. */
export function hostAddresses(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address);
}

const LOOK_MS = 50;

/** Is it there, for who is not refused? Tried again until the signal ends it. */
export async function answersTcp(address: string, port: number, clock: Clock, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: address, port, signal });
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (open) return true;
    await clock.sleep(LOOK_MS, signal).catch(() => {});
  }
  return false;
}
