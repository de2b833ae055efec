import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from '../kit/logger.ts';
import { type EdgeAddress, listenOn } from './front/listen.ts';

export interface PublicPortsOptions {
  readonly host: string;
  readonly first: number;
  readonly last: number;
  readonly logger: Logger;
  readonly admit: (socket: Socket) => void;
  readonly serve: (socket: Socket, port: number) => void;
}

/**
 * Plain TCP ports of a range, for clients such as `nc`. All of them listen from the start: one that somebody else has is
 * said then, and a create never waits for a port to be opened.
 */
export class PublicPorts {
  readonly #servers: Server[] = [];

  /** Throws port_in_use. */
  async listen({ host, first, last, logger, admit, serve }: PublicPortsOptions): Promise<void> {
    for (let port = first; port <= last; port++) {
      const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
        socket.on('error', () => socket.destroy());
        admit(socket);
        if (!socket.destroyed) serve(socket, port);
      });
      this.#servers.push(server);
      await listenOn(server, { host, port } satisfies EdgeAddress, logger);
    }
  }

  close(): void {
    for (const server of this.#servers) if (server.listening) server.close();
  }
}
