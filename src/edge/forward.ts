import type { OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { ArcError } from '../contract/errors.ts';
import type { Clock } from '../kit/clock.ts';
import type { EdgeAnswer } from '../server/service.ts';
import { answerError } from './answer.ts';
import { type ClientRequest, type ClientResponse, isSecure } from './front/client.ts';
import { type RequestHeaders, trailerLines } from './headers.ts';
import type { EdgeLimits } from './limits.ts';
import { bodyStalled, upstreamError } from './refusals.ts';
import type { Destination } from './resolve.ts';
import { clientHeaders, type ResponseScope, trailerPairs, upgradeHeaders } from './response-headers.ts';
import type { RouteEntry } from './table.ts';
import { tunnel } from './tunnel.ts';
import type { Exchange, UpstreamConnection } from './upstream/connection.ts';
import type { UpstreamFailure } from './upstream/failure.ts';
import type { UpstreamPool } from './upstream/pool.ts';
import type { ResponseHead } from './upstream/response-head.ts';

export interface ForwardContext {
  readonly clock: Clock;
  readonly limits: EdgeLimits;
  readonly domain: string;
  /** Value of Strict-Transport-Security for clients that come by TLS, if any. */
  readonly hsts: string | undefined;
  /** Somebody uses the sandbox. */
  touch(id: string): void;
  /** A sandbox began to answer, or the edge answered for it. */
  answered(answer: EdgeAnswer): void;
  /** Responses from now on close their connection. */
  readonly draining: boolean;
}

export interface ForwardedRequest {
  readonly request: ClientRequest;
  readonly response: ClientResponse;
  readonly headers: RequestHeaders;
  readonly destination: Destination;
  readonly entry: RouteEntry;
  readonly pool: UpstreamPool;
  readonly port: number;
  /** The client waits for `100 Continue` before it sends its body. */
  readonly expectsContinue: boolean;
  /** The client asks for another protocol: its socket, what it has sent already, and what frees it of the answer. */
  readonly upgrade?: {
    readonly socket: Socket;
    readonly head: Buffer;
    readonly protocol: string;
    readonly detach: () => void;
  };
}

/** Bodies up to this go out in one write with their header. */
const ONE_WRITE_BYTES = 4 * 1024;
/** Methods that may be sent twice. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'PROPFIND']);

/** One request on its way to a sandbox, and the response on its way back. Bodies pass as they come, in both directions. */
export class Forward implements Exchange {
  readonly #context: ForwardContext;
  readonly #call: ForwardedRequest;
  readonly #replayable: boolean;
  /** When its client came, monotonic ms. */
  readonly #began: number;
  #connection: UpstreamConnection | undefined;
  #cancelDial: (() => void) | undefined;
  #cancelContinue: (() => void) | undefined;
  #continued = false;
  #requestSent = false;
  #retried = false;
  #headSent = false;
  #flushed = false;
  #endsByClose = false;
  #over = false;
  /** The last piece of body, kept back until it is known whether it ends the response: one write instead of two. */
  #pending: Buffer | undefined;
  #watchesDrain = false;
  #bodyMoved = false;
  /** The sandbox is the one that takes nothing. */
  #waitsForSandbox = false;
  #cancelStall: (() => void) | undefined;

  constructor(context: ForwardContext, call: ForwardedRequest) {
    this.#context = context;
    this.#call = call;
    this.#began = context.clock.monotonic();
    this.#replayable = call.headers.bodyLength === 0 && IDEMPOTENT.has(call.request.method ?? '');
  }

  start(): void {
    const { pool, port, upgrade, response } = this.#call;
    pool.inFlight += 1;
    response.on('close', this.#onResponseClose);
    this.#context.touch(this.#call.entry.route.id);
    const kept = upgrade ? undefined : pool.take(port, !this.#replayable);
    if (kept) this.#send(kept);
    else this.#dial();
  }

  #dial(): void {
    this.#cancelDial = this.#call.pool.dial(this.#call.port, (failure, connection) => {
      this.#cancelDial = undefined;
      if (connection) this.#send(connection);
      else if (failure) this.#giveUp(failure);
    });
  }

  #send(connection: UpstreamConnection): void {
    const { request, headers, destination, upgrade, expectsContinue } = this.#call;
    const method = request.method ?? 'GET';
    this.#connection = connection;
    connection.begin(this, method, upgrade !== undefined);
    const ip = clientAddress(request.socket.remoteAddress);
    const secure = isSecure(request);
    connection.write(
      `${method} ${destination.path} HTTP/1.1\r\nHost: ${destination.host}\r\n${headers.lines}${headers.framing}` +
        `X-Forwarded-For: ${ip}\r\nX-Forwarded-Host: ${destination.host}\r\nX-Forwarded-Proto: ${secure ? 'https' : 'http'}\r\n` +
        `X-Forwarded-Port: ${destination.port ?? (secure ? '443' : '80')}\r\n` +
        (upgrade ? `Connection: Upgrade\r\nUpgrade: ${upgrade.protocol}\r\n` : '') +
        (expectsContinue ? 'Expect: 100-continue\r\n\r\n' : '\r\n'),
    );
    if (headers.bodyLength === 0) this.#requestWhole(connection);
    else this.#sendBody();
  }

  #requestWhole(connection: UpstreamConnection): void {
    this.#requestSent = true;
    connection.requestSent();
  }

  #sendBody(): void {
    const { request, expectsContinue } = this.#call;
    request.on('data', this.#onRequestData);
    request.on('end', this.#onRequestEnd);
    this.#watchBody();
    if (!expectsContinue) return;
    // Many small servers know nothing of `Expect` and wait for the body.
    this.#cancelContinue = this.#context.clock.after(this.#context.limits.continueMs, () => this.#continue());
  }

  /** A client that stops in the middle of what the sandbox waits for holds a connection to it for nothing. */
  #watchBody(): void {
    this.#cancelStall = this.#context.clock.after(this.#context.limits.clientStallMs, () => {
      if (this.#over || this.#requestSent || this.#headSent) return;
      if (this.#bodyMoved || this.#waitsForSandbox) {
        this.#bodyMoved = false;
        this.#watchBody();
        return;
      }
      this.#connection?.discard();
      this.#connection = undefined;
      this.#call.response.shouldKeepAlive = false;
      this.#refuse(bodyStalled(this.#context.limits.clientStallMs));
    });
  }

  readonly #onRequestData = (bytes: Buffer): void => {
    const connection = this.#connection;
    if (!connection) return;
    this.#bodyMoved = true;
    this.#context.touch(this.#call.entry.route.id);
    const more = this.#call.headers.bodyLength < 0 ? connection.writeChunk(bytes) : connection.writeBytes(bytes);
    if (!more) {
      this.#call.request.pause();
      this.#waitsForSandbox = true;
    }
  };

  readonly #onRequestEnd = (): void => {
    const connection = this.#connection;
    if (!connection) return;
    const { request, headers } = this.#call;
    if (headers.bodyLength < 0) connection.write(`0\r\n${trailerLines(request.rawTrailers)}\r\n`);
    this.#requestWhole(connection);
  };

  onDrain(): void {
    this.#waitsForSandbox = false;
    this.#bodyMoved = true;
    if (!this.#requestSent) this.#call.request.resume();
  }

  #continue(): void {
    this.#cancelContinue?.();
    this.#cancelContinue = undefined;
    if (this.#continued || this.#headSent || this.#over || !this.#call.expectsContinue) return;
    this.#continued = true;
    this.#call.response.writeContinue();
  }

  onInformation(head: ResponseHead): void {
    if (head.status === 100) {
      this.#continue();
      return;
    }
    if (this.#call.request.httpVersionMinor === 0 || this.#call.upgrade) return;
    const headers: OutgoingHttpHeaders = {};
    for (let at = 0; at + 1 < head.headers.length; at += 2) {
      const name = (head.headers[at] as string).toLowerCase();
      const value = head.headers[at + 1] as string;
      if (name === 'set-cookie' || name === '__proto__') continue;
      headers[name] = headers[name] === undefined ? value : [headers[name], value].flat().map(String);
    }
    this.#call.response.writeInformation(head.status, headers);
  }

  onHead(head: ResponseHead): void {
    const { request, response } = this.#call;
    this.#context.touch(this.#call.entry.route.id);
    this.#cancelContinue?.();
    this.#headSent = true;
    this.#endsByClose = request.httpVersionMinor === 0 && head.length < 0;
    const headers = clientHeaders(head, this.#scope());
    if (this.#context.draining) response.shouldKeepAlive = false;
    response.writeHead(head.status, head.reason, headers);
    this.#answered('sandbox', head.status);
  }

  #answered(by: EdgeAnswer['by'], status: number, code?: string): void {
    const { id } = this.#call.entry.route;
    const ms = this.#context.clock.monotonic() - this.#began;
    this.#context.answered({ by, status, id, ms, ...(code === undefined ? {} : { code }) });
  }

  #scope(): ResponseScope {
    const { domain, hsts } = this.#context;
    const { request, destination } = this.#call;
    return { domain, prefix: destination.prefix, hsts: isSecure(request) ? hsts : undefined };
  }

  onBody(bytes: Buffer): void {
    this.#context.touch(this.#call.entry.route.id);
    if (this.#pending) this.#write(this.#pending);
    this.#pending = bytes;
  }

  onFlush(): void {
    if (!this.#headSent) return;
    if (this.#pending) {
      this.#write(this.#pending);
      this.#pending = undefined;
    } else if (!this.#flushed) {
      this.#call.response.flushHeaders();
    }
    this.#flushed = true;
  }

  #write(bytes: Buffer): void {
    const { response } = this.#call;
    if (response.write(bytes)) return;
    this.#connection?.pause();
    this.#cancelStall?.();
    this.#cancelStall = this.#context.clock.after(this.#context.limits.clientStallMs, () => this.#breakOff(true));
    if (this.#watchesDrain) return;
    this.#watchesDrain = true;
    response.on('drain', () => {
      this.#cancelStall?.();
      this.#connection?.resume();
    });
  }

  onComplete(trailers: readonly string[], reusable: boolean): void {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#over = true;
    if (connection && reusable && this.#requestSent) this.#call.pool.release(connection);
    else connection?.discard();
    const { response } = this.#call;
    if (!this.#requestSent) this.#dropBody();
    if (trailers.length > 0) response.addTrailers(trailerPairs(trailers));
    const last = this.#pending;
    // Text is joined with the header to one write, bytes make two.
    if (last && last.length <= ONE_WRITE_BYTES && !this.#flushed) response.end(last.toString('latin1'), 'latin1');
    else response.end(last);
  }

  onUpgrade(head: ResponseHead, rest: Buffer): void {
    const { upgrade, response, pool, entry } = this.#call;
    const connection = this.#connection;
    if (!upgrade || !connection) return;
    this.#connection = undefined;
    this.#over = true;
    response.off('close', this.#onResponseClose);
    upgrade.detach();
    const { id } = entry.route;
    const headers = upgradeHeaders(head, this.#scope());
    const upstream = connection.detach();
    tunnel({
      head: { ...head, headers },
      client: upgrade.socket,
      upstream,
      fromClient: upgrade.head,
      fromUpstream: rest,
      touch: () => this.#context.touch(id),
      // An end is no use: a connection that said nothing must not keep or wake its sandbox by going.
      onClose: () => {
        pool.inFlight -= 1;
      },
    });
  }

  onFailure(failure: UpstreamFailure): void {
    const again = this.#replayable && !this.#retried && failure.kind === 'broken' && this.#connection?.failedUnused;
    this.#connection = undefined;
    if (again) {
      this.#retried = true;
      this.#dial();
      return;
    }
    this.#giveUp(failure);
  }

  /** Nothing begun yet: an error page. Else the connection is broken off, so that half an answer isn't taken for a whole one. */
  #giveUp(failure: UpstreamFailure): void {
    this.#over = true;
    this.#cancelContinue?.();
    const { entry, port } = this.#call;
    if (!this.#requestSent) this.#dropBody();
    if (this.#headSent) this.#breakOff(this.#endsByClose);
    else this.#refuse(upstreamError(entry, port, failure));
  }

  #refuse(error: ArcError): void {
    this.#over = true;
    this.#cancelContinue?.();
    this.#cancelStall?.();
    const { request, response } = this.#call;
    const { hsts } = this.#scope();
    this.#answered('edge', error.status, error.code);
    answerError(request, response, error, hsts === undefined ? [] : ['Strict-Transport-Security', hsts]);
  }

  /**
   * @param reset Towards a client that takes the end of the connection for the end of the body, only a reset says that it
   *   is not; and of one that reads nothing, only a reset takes back what the kernel still holds for it.
   */
  #breakOff(reset: boolean): void {
    const { request, response } = this.#call;
    // By TLS, an end that nobody announced says the same.
    if (reset && response.socket && !isSecure(request)) response.socket.resetAndDestroy();
    else response.destroy();
  }

  /** Nobody takes the rest of the body any more; it is read and thrown away, so that the client gets to the answer. */
  #dropBody(): void {
    const { request } = this.#call;
    request.off('data', this.#onRequestData);
    request.off('end', this.#onRequestEnd);
    request.resume();
  }

  readonly #onResponseClose = (): void => {
    this.#over = true;
    this.#cancelContinue?.();
    this.#cancelStall?.();
    this.#cancelDial?.();
    this.#connection?.discard();
    this.#connection = undefined;
    this.#call.pool.inFlight -= 1;
  };
}

/** IPv4 as such, also where the socket listens on both families. */
function clientAddress(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
