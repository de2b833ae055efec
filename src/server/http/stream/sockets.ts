import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { ArcError } from '../../../contract/errors.ts';
import { encodeId, ID_BYTES } from '../../../contract/ids.ts';
import { STREAM_MESSAGE_BYTES_MAX } from '../../../contract/stream.ts';
import type { Caller } from '../../service.ts';
import type { ApiDeps } from '../deps.ts';
import { accessOf } from '../guard/access.ts';
import { noteAnswer } from '../guard/audited.ts';
import { authenticate, SUBPROTOCOL } from '../guard/auth.ts';
import type { HostNames } from '../guard/hosts.ts';
import { PROBLEM_TYPE, problemFor, retryAfter } from '../guard/problems.ts';
import type { Rates } from '../guard/rates.ts';
import { SOCKETS_MAX, URL_BYTES_MAX } from '../limits.ts';
import { Channel } from './channel.ts';
import type { Live } from './live.ts';

/** An accepted WebSocket and what it was asked with. */
export interface SocketRequest {
  readonly id: string;
  readonly caller: Caller;
  readonly sandbox: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
}

export interface SocketRoute {
  /** As in the table of `access.ts`. */
  readonly url: string;
  /** Refuses before the upgrade, where an honest HTTP status can still be sent. */
  check?(request: SocketRequest): Promise<void> | void;
  serve(channel: Channel, request: SocketRequest, signal: AbortSignal): Promise<void>;
}

export interface SocketsOptions {
  readonly deps: ApiDeps;
  readonly rates: Rates;
  readonly hosts: HostNames;
  readonly live: Live;
  readonly opened: (route: string, change: 1 | -1) => void;
}

/** Takes upgrades on the API's port: the same checks as for plain requests, in the same order. */
export class Sockets {
  readonly #options: SocketsOptions;
  readonly #routes = new Map<string, SocketRoute>();
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: STREAM_MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });

  constructor(options: SocketsOptions) {
    this.#options = options;
  }

  add(route: SocketRoute): void {
    if (accessOf('GET', route.url) === undefined) throw new Error(`no access is declared for GET ${route.url}`);
    this.#routes.set(route.url, route);
  }

  attach(server: Server): void {
    server.on('upgrade', (request, socket, head) => {
      // Without a listener a reset of the connection would end the process.
      socket.on('error', () => socket.destroy());
      this.#upgrade(request, socket, head).catch((error) => this.#refuse(socket, error));
    });
  }

  /** Resolves when no WebSocket is open. */
  async idle(): Promise<void> {
    await Promise.all(
      [...this.#server.clients].map((socket) => new Promise((resolve) => socket.once('close', resolve))),
    );
  }

  closeAll(): void {
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { deps, hosts, live, rates } = this.#options;
    if (!hosts.allows(request.headers.host, request.socket.localAddress)) {
      throw new ArcError('unknown_host', 'the name in `Host` is not served here');
    }
    if (live.draining) throw new ArcError('unavailable', 'the server is stopping');
    if ((request.url ?? '').length > URL_BYTES_MAX)
      throw new ArcError('url_too_long', `more than ${URL_BYTES_MAX} bytes`);
    const url = new URL(request.url ?? '/', 'http://arc');
    const match = /^\/v1\/sandboxes\/([a-z0-9-]{1,64})\/([a-z]+)$/.exec(url.pathname);
    const route = match === null ? undefined : this.#routes.get(`/v1/sandboxes/:id/${match[2]}`);
    if (route === undefined) throw new ArcError('not_found', 'no WebSocket is at this address');
    const readiness = deps.readiness();
    if (!readiness.ready) throw new ArcError('unavailable', readiness.detail ?? 'the server is starting');
    const caller = await authenticate(
      { ...deps, rates },
      {
        access: accessOf('GET', route.url) ?? 'admin',
        ...{ method: 'GET', route: route.url, id: match?.[1], upgrade: true, headers: request.headers },
        address: request.socket.remoteAddress,
      },
    );
    if (caller === null) throw new ArcError('unauthorized', 'this needs a key');
    if (this.#server.clients.size >= SOCKETS_MAX)
      throw new ArcError('at_capacity', `${SOCKETS_MAX} WebSockets are open`);
    const asked: SocketRequest = {
      id: encodeId('req', deps.rng.bytes(ID_BYTES)),
      caller,
      sandbox: match?.[1] ?? '',
      query: url.searchParams,
      headers: request.headers,
    };
    await route.check?.(asked);
    if (socket.destroyed) return;
    this.#server.handleUpgrade(request, socket, head, (accepted) => void this.#serve(route, accepted, asked));
  }

  async #serve(route: SocketRoute, socket: WebSocket, asked: SocketRequest): Promise<void> {
    const { deps, live, opened, rates } = this.#options;
    const { caller, sandbox: id } = asked;
    // Before anything is waited for: what the client says meanwhile is heard, and its leaving too.
    const { signal, release } = live.open('stream');
    socket.once('close', () => release(new Error('the client went away')));
    const channel = new Channel(socket, deps.clock);
    opened(route.url, 1);
    try {
      // What is done there is done whatever becomes of this server.
      await noteAnswer({ ...deps, rates }, { route: `GET ${route.url}`, caller, params: { id }, outcome: 'done' });
      await route.serve(channel, asked, signal);
      await channel.close(1000, 'done');
    } catch (error) {
      await this.#fail(channel, asked, live.draining, error);
    } finally {
      opened(route.url, -1);
      release();
    }
  }

  async #fail(channel: Channel, asked: SocketRequest, draining: boolean, error: unknown): Promise<void> {
    if (channel.closed) return;
    if (draining) return channel.close(1001, 'the server is stopping');
    const { problem, status } = problemFor(error, asked.id, this.#options.deps.logger);
    await channel.send({ type: 'error', problem }).catch(() => {});
    await channel.close(status >= 500 ? 1011 : 1008, problem.code);
  }

  #refuse(socket: Duplex, error: unknown): void {
    if (socket.destroyed) return;
    const { deps } = this.#options;
    const { problem, status } = problemFor(error, encodeId('req', deps.rng.bytes(ID_BYTES)), deps.logger);
    const body = JSON.stringify(problem);
    const wait = retryAfter(problem);
    const lines = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
      `content-type: ${PROBLEM_TYPE}`,
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
      ...(status === 401 ? ['www-authenticate: Bearer realm="arc"'] : []),
      ...(wait === undefined ? [] : [`retry-after: ${wait}`]),
    ];
    socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
  }
}
