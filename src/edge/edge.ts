import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { type AddressInfo, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ArcError, asArcError } from '../contract/errors.ts';
import type { Clock } from '../kit/clock.ts';
import type { Logger } from '../kit/logger.ts';
import { answerError } from './answer.ts';
import { answerClientError, refuseConnect } from './client-error.ts';
import { Forward, type ForwardContext, type ForwardedRequest } from './forward.ts';
import { requestHeaders } from './headers.ts';
import { EDGE_LIMITS, type EdgeLimits } from './limits.ts';
import { noPort, notServing, tooMany, unknownSandbox } from './refusals.ts';
import { type EdgeNames, resolve } from './resolve.ts';
import type { Router } from './router.ts';
import { RouteTable } from './table.ts';

export interface EdgeOptions {
  /** `HOST:PORT`, or `[IPv6]:PORT`; port 0 takes a free one. */
  readonly listen: string;
  /** Sandboxes are at `ID.domain`. */
  readonly domain: string;
  /** Other names by which the edge itself is reached, for `/_sb/`; its addresses and the domain are known already. */
  readonly names?: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<EdgeLimits>;
  /** Somebody uses this sandbox: at most once a second for each. It must be cheap. */
  readonly onActivity?: (id: string) => void;
}

export interface EdgeAddress {
  readonly host: string;
  readonly port: number;
}

export interface Edge {
  readonly router: Router;
  /** Throws `port_in_use`. */
  listen(): Promise<void>;
  /** Takes no more connections, gives requests under way a bounded time, then cuts what is left. */
  close(): Promise<void>;
  /** Where it listens. Throws before `listen`. */
  readonly address: EdgeAddress;
}

const ACTIVITY_EVERY_MS = 1_000;
/** Ids whose last activity is remembered, to leave out repeats. */
const ACTIVITY_IDS = 50_000;
/** Connections above the limit that are still told so in HTTP; more are closed at once. */
const OVERLOAD_ANSWERS = 256;
/** Between two looks whether connections are idle, while closing. */
const DRAIN_POLL_MS = 20;
/** How often node looks for clients that have not sent their header in time. */
const HEAD_CHECK_MS = 1_000;

export function createEdge(options: EdgeOptions): Edge {
  return new BuiltInEdge(options);
}

class BuiltInEdge implements Edge, ForwardContext {
  readonly router: RouteTable;
  readonly clock: Clock;
  readonly limits: EdgeLimits;
  readonly domain: string;
  readonly #names: EdgeNames;
  readonly #logger: Logger;
  readonly #listen: EdgeAddress;
  readonly #onActivity: ((id: string) => void) | undefined;
  readonly #activity = new Map<string, number>();
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  #draining = false;
  #closing: Promise<void> | undefined;

  constructor(options: EdgeOptions) {
    this.clock = options.clock;
    this.limits = { ...EDGE_LIMITS, ...options.limits };
    this.domain = options.domain.toLowerCase().replace(/^\.|\.$/g, '');
    this.#logger = options.logger;
    this.#onActivity = options.onActivity;
    this.#listen = parseListen(options.listen);
    const names = [this.#listen.host, ...(options.names ?? [])].map((name) => name.toLowerCase());
    this.#names = { domain: this.domain, names: new Set(names) };
    this.router = new RouteTable(this.clock, this.#logger, this.limits);
    this.#server = this.#makeServer();
  }

  get draining(): boolean {
    return this.#draining;
  }

  get address(): EdgeAddress {
    const address = this.#server.address() as AddressInfo | null;
    if (!address) throw new ArcError('internal', 'the edge does not listen');
    return { host: address.address, port: address.port };
  }

  async listen(): Promise<void> {
    const { host, port } = this.#listen;
    await new Promise<void>((done, fail) => {
      const onError = (cause: NodeJS.ErrnoException) => {
        const code = cause.code === 'EADDRINUSE' ? 'port_in_use' : 'internal';
        fail(new ArcError(code, `The edge can't listen on ${host}:${port}: ${cause.message}`, { cause }));
      };
      this.#server.once('error', onError);
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        this.#server.off('error', onError);
        this.#server.on('error', (err) => this.#logger.error({ err }, 'the edge could not take a connection'));
        done();
      });
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#draining = true;
    this.#server.close();
    const deadline = this.clock.monotonic() + this.limits.drainMs;
    for (;;) {
      this.#server.closeIdleConnections();
      if (this.#clients.size === 0 || this.clock.monotonic() >= deadline) break;
      await this.clock.sleep(DRAIN_POLL_MS);
    }
    this.router.close();
    for (const client of this.#clients) client.destroy();
  }

  touch(id: string): void {
    if (!this.#onActivity) return;
    const now = this.clock.monotonic();
    const last = this.#activity.get(id);
    if (last !== undefined && now - last < ACTIVITY_EVERY_MS) return;
    if (this.#activity.size >= ACTIVITY_IDS) this.#activity.clear();
    this.#activity.set(id, now);
    this.#onActivity(id);
  }

  #makeServer(): Server {
    const { limits } = this;
    const server = createServer({
      insecureHTTPParser: false,
      maxHeaderSize: limits.requestHeadBytes,
      headersTimeout: limits.requestHeadMs,
      keepAliveTimeout: limits.clientIdleMs,
      // Uploads may take as long as they take.
      requestTimeout: 0,
      connectionsCheckingInterval: Math.min(HEAD_CHECK_MS, limits.requestHeadMs),
      // The Host field is looked at, and asked for, in `resolve`.
      requireHostHeader: false,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: limits.clientIdleMs,
      optimizeEmptyRequests: true,
      shouldUpgradeCallback: upgradable,
    });
    // Node would leave out the fields above its own limit without a word; ours refuses the request.
    server.maxHeadersCount = 0;
    server.on('connection', (socket) => this.#onConnection(socket));
    server.on('request', (request, response) => this.#onRequest(request, response, false));
    server.on('checkContinue', (request, response) => this.#onRequest(request, response, true));
    server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head));
    server.on('connect', (_request, socket) => refuseConnect(socket));
    server.on('clientError', (cause, socket) => answerClientError(cause, socket));
    return server;
  }

  #onConnection(socket: Socket): void {
    if (this.#clients.size >= this.limits.connections + OVERLOAD_ANSWERS) {
      socket.destroy();
      return;
    }
    this.#clients.add(socket);
    socket.once('close', () => this.#clients.delete(socket));
  }

  #onRequest(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    // Node drops what follows in the same packet as an upgrade that wasn't taken; closing says so to the client.
    if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
    try {
      new Forward(this, this.#admit(request, response, expectsContinue)).start();
    } catch (error) {
      this.#refuse(request, response, error);
    }
  }

  /** After this event node has let go of the socket: whatever is answered is ours to write, and the last on it. */
  #onUpgrade(request: IncomingMessage, duplex: Duplex, head: Buffer): void {
    const socket = duplex as Socket;
    socket.on('error', () => socket.destroy());
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    try {
      response.assignSocket(socket);
    } catch {
      // An earlier request on this connection is still being answered; nothing may be written in between.
      socket.destroy();
      return;
    }
    socket.on('drain', () => response.emit('drain'));
    response.on('finish', () => {
      response.detachSocket(socket);
      socket.destroySoon();
      response.emit('close');
    });
    try {
      const protocol = request.headers.upgrade ?? '';
      new Forward(this, { ...this.#admit(request, response, false), upgrade: { socket, head, protocol } }).start();
    } catch (error) {
      this.#refuse(request, response, error);
    }
  }

  /** Finds where a request goes; throws what the client is told where it can't go anywhere. */
  #admit(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): ForwardedRequest {
    const { limits } = this;
    if (request.rawHeaders.length > limits.requestHeaderCount * 2) {
      throw new ArcError('headers_too_large', `The request has more than ${limits.requestHeaderCount} header fields.`);
    }
    if (this.#clients.size > limits.connections) {
      response.shouldKeepAlive = false;
      throw tooMany('The edge has as many connections as it takes.');
    }
    const headers = requestHeaders(request.rawHeaders, request.headers.connection);
    const destination = resolve(request, headers, this.#names);
    const { id } = destination.target;
    const entry = this.router.lookup(id);
    if (!entry) throw unknownSandbox(id);
    const { pool } = entry;
    if (!pool) throw notServing(entry, this.clock.now());
    if (pool.inFlight >= limits.requestsPerSandbox)
      throw tooMany(`The sandbox ${id} has as many requests as it takes.`);
    const port = destination.target.port ?? entry.route.ports[0];
    if (port === undefined) throw noPort(id);
    return { request, response, headers, destination, entry, pool, port, expectsContinue };
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const arcError = asArcError(error);
    if (arcError.code === 'internal') this.#logger.error({ err: error }, 'the edge could not serve a request');
    if (this.#draining) response.shouldKeepAlive = false;
    // What frames its body wrongly can't be followed by another request on this connection.
    if (arcError.status === 400 || arcError.status === 431) response.shouldKeepAlive = false;
    answerError(request, response, arcError);
  }
}

/** HTTP/2 by upgrade is not served: such a request is answered as what else it is. Nor is an upgrade with a body. */
function upgradable(request: IncomingMessage): boolean {
  const { headers } = request;
  if (headers['transfer-encoding'] !== undefined) return false;
  if (headers['content-length'] !== undefined && headers['content-length'] !== '0') return false;
  return headers.upgrade !== undefined && !/^\s*h2c?\s*$/i.test(headers.upgrade);
}

function parseListen(listen: string): EdgeAddress {
  const match = /^(?:\[([^\]]+)\]|(.+)):([0-9]{1,5})$/.exec(listen);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  if (host === '' || port > 65_535 || (host.includes(':') && isIP(host) !== 6)) {
    throw new ArcError('invalid_config', `The edge's address is HOST:PORT, not ${listen}.`);
  }
  return { host, port };
}
