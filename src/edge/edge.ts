import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { isIP, type Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { ArcError, asArcError } from '../contract/errors.ts';
import type { Clock } from '../kit/clock.ts';
import type { Logger } from '../kit/logger.ts';
import type { EdgeAnswer, Waker } from '../server/service.ts';
import { Gate } from './access/gate.ts';
import { Activity } from './activity.ts';
import { answerError } from './answer.ts';
import { Forward, type ForwardContext, type ForwardedRequest } from './forward.ts';
import { type ClientRequest, type ClientResponse, isSecure } from './front/client.ts';
import { Clients } from './front/clients.ts';
import { createHttp1Front } from './front/h1.ts';
import { serveHttp2 } from './front/h2.ts';
import { addressOf, type EdgeAddress, listenOn, parseListen } from './front/listen.ts';
import { createTlsFront } from './front/tls.ts';
import { requestHeaders } from './headers.ts';
import { Asleep, HeldRequests } from './held.ts';
import { EDGE_LIMITS, type EdgeLimits } from './limits.ts';
import { PublicPorts } from './public-ports.ts';
import { RawTcp } from './raw-tcp.ts';
import { redirectToTls } from './redirect.ts';
import { noPort, notServing, stillAsleep, tooMany, unknownSandbox } from './refusals.ts';
import { type EdgeNames, resolve } from './resolve.ts';
import type { Router } from './router.ts';
import { RouteTable } from './table.ts';
import type { CertificateSource } from './tls/certificates.ts';

export type { EdgeAddress } from './front/listen.ts';

export interface EdgeTls {
  /** As `listen` of the edge. */
  readonly listen: string;
  readonly certificates: CertificateSource;
  /** For Strict-Transport-Security, s; 0: not sent. It is never sent for `localhost` and addresses. */
  readonly hstsSeconds: number;
  /** Clients that come in the clear are sent here. */
  readonly redirect: boolean;
}

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
  readonly tls?: EdgeTls;
  /** Answers of ACME's HTTP-01 by token, for requests in the clear below `/.well-known/acme-challenge/`. */
  readonly challenges?: ReadonlyMap<string, string>;
  /** Ports of this machine for `tcp` ports of sandboxes, at the host of `listen`. */
  readonly tcpPorts?: { readonly first: number; readonly last: number };
  /** What access tokens are made with; without it nobody gets through to sandboxes that ask for one. */
  readonly accessKey?: Uint8Array;
  /** Somebody uses this sandbox: at most once a second for each. It must be cheap. */
  readonly onActivity?: (id: string) => void;
  /** Hears of every answer. It must be cheap. */
  readonly onAnswer?: (answer: EdgeAnswer) => void;
  /** Wakes sandboxes whose routes say so, while their requests are held. Default: they are told that it sleeps. */
  readonly waker?: Waker;
}

export interface Edge {
  readonly router: Router;
  /** Throws `port_in_use`. */
  listen(): Promise<void>;
  /** Takes no more connections, gives requests under way a bounded time, then cuts what is left. */
  close(): Promise<void>;
  /** Requests and tunnels that are open to a sandbox now. */
  connections(id: string): number;
  /** Requests that wait for their sandboxes to wake up. */
  readonly held: number;
  /** Where it listens. Throws before `listen`. */
  readonly address: EdgeAddress;
  /** Where it listens for TLS. Throws where it doesn't. */
  readonly tlsAddress: EdgeAddress;
}

/** Between two looks whether connections are idle, while closing. */
const DRAIN_POLL_MS = 20;
const CHALLENGE = /^\/\.well-known\/acme-challenge\/([A-Za-z0-9_-]{1,256})$/;
/** How often one request is held again, because its sandbox went to sleep before it got there. */
const HELD_TIMES_MAX = 3;

export function createEdge(options: EdgeOptions): Edge {
  return new BuiltInEdge(options);
}

class BuiltInEdge implements Edge, ForwardContext {
  readonly router: RouteTable;
  readonly clock: Clock;
  readonly limits: EdgeLimits;
  readonly domain: string;
  readonly hsts: string | undefined;
  readonly #names: EdgeNames;
  readonly #logger: Logger;
  readonly #options: EdgeOptions;
  readonly #listen: EdgeAddress;
  readonly #activity: Activity;
  readonly #gate: Gate;
  readonly #raw: RawTcp;
  readonly #ports = new PublicPorts();
  readonly #http1: Server;
  readonly #clients: Clients;
  /** End HTTP/2 connections in order. */
  readonly #sessions = new Set<() => void>();
  #tls: NetServer | undefined;
  readonly #held: HeldRequests | undefined;
  #draining = false;
  #closing: Promise<void> | undefined;

  constructor(options: EdgeOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.limits = { ...EDGE_LIMITS, ...options.limits };
    this.domain = options.domain.toLowerCase().replace(/^\.|\.$/g, '');
    this.#logger = options.logger;
    this.#activity = new Activity(options.clock, options.onActivity);
    this.#gate = new Gate(options.accessKey, options.clock);
    this.#listen = parseListen(options.listen);
    const names = [this.#listen.host, ...(options.names ?? [])].map((name) => name.toLowerCase());
    this.#names = { domain: this.domain, names: new Set(names) };
    this.hsts = hstsOf(this.domain, options.tls?.hstsSeconds ?? 0);
    this.router = new RouteTable(this.clock, this.#logger, this.limits);
    this.#held = options.waker && new HeldRequests(options.waker, this.clock, this.limits);
    this.#clients = new Clients(this.limits);
    this.#raw = new RawTcp({
      ...{ domain: this.domain, clock: this.clock, limits: this.limits, router: this.router, gate: this.#gate },
      touch: (id) => this.touch(id),
      held: this.#held,
    });
    this.#http1 = createHttp1Front(this.limits, {
      onRequest: (request, response, expectsContinue) => this.#onHttp1(request, response, expectsContinue),
      onUpgrade: (request, socket, head) => this.#onUpgrade(request, socket, head),
    });
    // Those by TLS are counted before their handshake, and come here after it.
    this.#http1.on('connection', (socket: Socket) => {
      if (!(socket as TLSSocket).encrypted) this.#clients.admit(socket);
    });
  }

  get held(): number {
    return this.#held?.waiting ?? 0;
  }

  connections(id: string): number {
    return this.router.lookup(id)?.pool?.inFlight ?? 0;
  }

  get draining(): boolean {
    return this.#draining;
  }

  get address(): EdgeAddress {
    return addressOf(this.#http1);
  }

  get tlsAddress(): EdgeAddress {
    return addressOf(this.#tls);
  }

  async listen(): Promise<void> {
    const { tls } = this.#options;
    // A certificate that is no good is said before a port is taken.
    this.#tls = tls && (await this.#makeTls(tls));
    await listenOn(this.#http1, this.#listen, this.#logger);
    await this.#listenPublic();
    if (this.#tls && tls) {
      await listenOn(this.#tls, parseListen(tls.listen), this.#logger).catch((error) => {
        this.#http1.close();
        tls.certificates.close();
        throw error;
      });
      tls.certificates.listening?.();
    }
  }

  async #listenPublic(): Promise<void> {
    const { tcpPorts } = this.#options;
    if (!tcpPorts) return;
    const admit = (socket: Socket) => this.#clients.admit(socket);
    const serve = (socket: Socket, port: number) => this.#raw.servePublic(socket, port);
    const { host } = this.#listen;
    await this.#ports.listen({ host, ...tcpPorts, logger: this.#logger, admit, serve }).catch((error) => {
      this.#ports.close();
      this.#http1.close();
      throw error;
    });
  }

  async #makeTls(tls: EdgeTls): Promise<NetServer> {
    const server = await createTlsFront({
      ...{ certificates: tls.certificates, limits: this.limits, logger: this.#logger },
      onHttp2: (socket) => this.#onHttp2(socket),
      onHttp1: (socket) => this.#http1.emit('connection', socket),
      onRaw: (socket, name) => this.#raw.serve(socket, name),
    });
    server.on('connection', (socket: Socket) => this.#clients.admit(socket));
    return server;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#draining = true;
    this.#options.tls?.certificates.close();
    this.#http1.close();
    this.#ports.close();
    this.#tls?.close();
    for (const end of this.#sessions) end();
    const deadline = this.clock.monotonic() + this.limits.drainMs;
    for (;;) {
      this.#http1.closeIdleConnections();
      if (this.#clients.size === 0 || this.clock.monotonic() >= deadline) break;
      await this.clock.sleep(DRAIN_POLL_MS);
    }
    this.router.close();
    this.#clients.destroyAll();
  }

  answered(answer: EdgeAnswer): void {
    this.#options.onAnswer?.(answer);
  }

  touch(id: string): void {
    this.#activity.touch(id);
  }

  #onHttp2(socket: TLSSocket): void {
    const end = serveHttp2(socket, this.limits, (request, response, expectsContinue) =>
      this.#onRequest(request, response, expectsContinue),
    );
    this.#sessions.add(end);
    socket.on('close', () => this.#sessions.delete(end));
  }

  #onHttp1(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    // Node drops what follows in the same packet as an upgrade that wasn't taken; closing says so to the client.
    if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
    this.#onRequest(request as ClientRequest, response, expectsContinue);
  }

  #onRequest(request: ClientRequest, response: ClientResponse, expectsContinue: boolean): void {
    this.#serve(request, response, () => {
      const admitted = this.#admit(request, response, expectsContinue, false);
      return admitted && new Forward(this, admitted);
    });
  }

  /**
   * @param forward gives nothing where the request is answered already
   * @param times that it has been held already
   */
  #serve(request: ClientRequest, response: ClientResponse, forward: () => Forward | undefined, times = 0): void {
    try {
      if (!isSecure(request) && this.#answerInTheClear(request, response)) return;
      forward()?.start();
    } catch (error) {
      const held = error instanceof Asleep ? this.#held : undefined;
      if (!(error instanceof Asleep) || !held) this.#refuse(request, response, error);
      else if (times >= HELD_TIMES_MAX) this.#refuse(request, response, stillAsleep(error.id));
      else {
        held
          .wait(error.id, (leave) => response.on('close', leave))
          .then((outcome) => {
            if (outcome === 'awake' && !response.destroyed) this.#serve(request, response, forward, times + 1);
          })
          .catch((reason) => this.#refuse(request, response, reason));
      }
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
    const detach = () => response.detachSocket(socket);
    const upgrade = { socket, head, protocol: request.headers.upgrade ?? '', detach };
    const asked = request as ClientRequest;
    this.#serve(asked, response, () => {
      const admitted = this.#admit(asked, response, false, true);
      return admitted && new Forward(this, { ...admitted, upgrade });
    });
  }

  /** What is for the edge itself where a client came without TLS: a challenge, or the way to TLS. */
  #answerInTheClear(request: ClientRequest, response: ClientResponse): boolean {
    const { challenges, tls } = this.#options;
    const token = challenges && CHALLENGE.exec(request.url ?? '')?.[1];
    const proof = token === undefined ? undefined : challenges?.get(token);
    if (proof !== undefined) {
      const length = String(Buffer.byteLength(proof));
      response.writeHead(200, 'OK', ['Content-Type', 'application/octet-stream', 'Content-Length', length]);
      response.end(Buffer.from(proof));
      return true;
    }
    if (!tls?.redirect) return false;
    const headers = requestHeaders(request.rawHeaders, request.headers.connection);
    const destination = resolve(request, headers, this.#names);
    redirectToTls(request, response, destination, { domain: this.domain, port: this.tlsAddress.port });
    return true;
  }

  /**
   * Finds where a request goes; throws what the client is told where it can't go anywhere. Undefined: it has been
   * answered, such as with the page to sign in at.
   */
  #admit(
    request: ClientRequest,
    response: ClientResponse,
    expectsContinue: boolean,
    upgrade: boolean,
  ): ForwardedRequest | undefined {
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
    const port = destination.target.port ?? entry.route.ports[0];
    if (port === undefined) throw entry.pool ? noPort(id) : notServing(entry, this.clock.now());
    // Before anything is told of the sandbox, such as its state.
    const verdict = this.#gate.decide({ request, response, destination, route: entry.route, port, upgrade });
    if (verdict === 'answered') return undefined;
    if (entry.route.wakes && this.#held) throw new Asleep(id);
    const { pool } = entry;
    if (!pool || entry.route.state === 'frozen') throw notServing(entry, this.clock.now());
    if (pool.inFlight >= limits.requestsPerSandbox)
      throw tooMany(`The sandbox ${id} has as many requests as it takes.`);
    const { path } = verdict;
    const seen = path === destination.path ? destination : { ...destination, path };
    return { request, response, headers, destination: seen, entry, pool, port, expectsContinue };
  }

  #refuse(request: ClientRequest, response: ClientResponse, error: unknown): void {
    const arcError = asArcError(error);
    if (arcError.code === 'internal') this.#logger.error({ err: error }, 'the edge could not serve a request');
    if (this.#draining) response.shouldKeepAlive = false;
    // What frames its body wrongly can't be followed by another request on this connection.
    if (arcError.status === 400 || arcError.status === 431) response.shouldKeepAlive = false;
    const hsts = isSecure(request) ? this.hsts : undefined;
    this.answered({ by: 'edge', status: arcError.status, code: arcError.code, ms: 0 });
    answerError(request, response, arcError, hsts === undefined ? [] : ['Strict-Transport-Security', hsts]);
  }
}

/** A browser keeps to it for months, so it is never said for names that are everybody's. */
function hstsOf(domain: string, seconds: number): string | undefined {
  const everybodys = isIP(domain) !== 0 || domain === 'localhost' || domain.endsWith('.localhost');
  return seconds === 0 || everybodys ? undefined : `max-age=${seconds}`;
}
