import { type AddressInfo, isIP, type Server } from 'node:net';
import { ArcError } from '../../contract/errors.ts';
import type { Logger } from '../../kit/logger.ts';

export interface EdgeAddress {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, or `[IPv6]:PORT`. */
export function parseListen(listen: string): EdgeAddress {
  const match = /^(?:\[([^\]]+)\]|(.+)):([0-9]{1,5})$/.exec(listen);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  if (host === '' || port > 65_535 || (host.includes(':') && isIP(host) !== 6)) {
    throw new ArcError('invalid_config', `The edge's address is HOST:PORT, not ${listen}.`);
  }
  return { host, port };
}

/** Throws `port_in_use`. */
export function listenOn(server: Server, { host, port }: EdgeAddress, logger: Logger): Promise<void> {
  return new Promise<void>((done, fail) => {
    const onError = (cause: NodeJS.ErrnoException) => {
      const code = cause.code === 'EADDRINUSE' ? 'port_in_use' : 'internal';
      fail(new ArcError(code, `The edge can't listen on ${host}:${port}: ${cause.message}`, { cause }));
    };
    server.once('error', onError);
    server.listen({ host, port, backlog: 1024 }, () => {
      server.off('error', onError);
      server.on('error', (err) => logger.error({ err }, 'the edge could not take a connection'));
      done();
    });
  });
}

export function addressOf(server: Server | undefined): EdgeAddress {
  const address = server?.address() as AddressInfo | null | undefined;
  if (!address) throw new ArcError('internal', 'the edge does not listen');
  return { host: address.address, port: address.port };
}
