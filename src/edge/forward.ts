import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../kit/clock.ts';
import { answerError } from './answer.ts';
import { scopeSetCookie } from './cookies.ts';
import { allowedInTrailer, type RequestHeaders, trailerLines } from './headers.ts';
import type { EdgeLimits } from './limits.ts';
import { upstreamError } from './refusals.ts';
import type { Destination } from './resolve.ts';
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
  /** Somebody uses the sandbox. */
  touch(id: string): void;
  /** Responses from now on close their connection. */
  readonly draining: boolean;
}

export interface ForwardedRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly headers: RequestHeaders;
  readonly destination: Destination;
  readonly entry: RouteEntry;
  readonly pool: UpstreamPool;
  readonly port: number;
  /** The client waits for `100 Continue` before it sends its body. */
  readonly expectsContinue: boolean;
  /** The client asks for another protocol: its socket, and what it has sent already. */
  readonly upgrade?: { readonly socket: Socket; readonly head: Buffer; readonly protocol: string };
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

  constructor(context: ForwardContext, call: ForwardedRequest) {
    this.#context = context;
    this.#call = call;
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
    connection.write(
      `${method} ${destination.path} HTTP/1.1\r\nHost: ${destination.host}\r\n${headers.lines}${headers.framing}` +
        `X-Forwarded-For: ${ip}\r\nX-Forwarded-Host: ${destination.host}\r\nX-Forwarded-Proto: http\r\n` +
        `X-Forwarded-Port: ${destination.port ?? '80'}\r\n` +
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
    if (!expectsContinue) return;
    // Many small servers know nothing of `Expect` and wait for the body.
    this.#cancelContinue = this.#context.clock.after(this.#context.limits.continueMs, () => this.#continue());
  }

  readonly #onRequestData = (bytes: Buffer): void => {
    const connection = this.#connection;
    if (!connection) return;
    const more = this.#call.headers.bodyLength < 0 ? connection.writeChunk(bytes) : connection.writeBytes(bytes);
    if (!more) this.#call.request.pause();
  };

  readonly #onRequestEnd = (): void => {
    const connection = this.#connection;
    if (!connection) return;
    const { request, headers } = this.#call;
    if (headers.bodyLength < 0) connection.write(`0\r\n${trailerLines(request.rawTrailers)}\r\n`);
    this.#requestWhole(connection);
  };

  onDrain(): void {
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
    this.#cancelContinue?.();
    this.#headSent = true;
    this.#endsByClose = request.httpVersionMinor === 0 && head.length < 0;
    const headers = head.hasCookie || head.hasLocation ? this.#scoped(head.headers) : head.headers;
    if (head.length >= 0 && head.status !== 204) headers.push('Content-Length', String(head.length));
    if (this.#call.destination.prefix !== '') headers.push('Content-Security-Policy', SHARED_ORIGIN_POLICY);
    if (this.#context.draining) response.shouldKeepAlive = false;
    response.writeHead(head.status, head.reason, headers);
  }

  /** Cookies kept to this sandbox and, where the client came by path prefix, redirects below it. */
  #scoped(headers: readonly string[]): string[] {
    const { prefix } = this.#call.destination;
    const scoped: string[] = [];
    for (let at = 0; at + 1 < headers.length; at += 2) {
      const name = headers[at] as string;
      let value: string | undefined = headers[at + 1] as string;
      const lower = name.toLowerCase();
      if (lower === 'set-cookie') value = scopeSetCookie(value, { domain: this.#context.domain, prefix });
      else if (lower === 'location' && prefix !== '' && /^\/(?![/\\])/.test(value)) value = prefix + value;
      if (value !== undefined) scoped.push(name, value);
    }
    return scoped;
  }

  onBody(bytes: Buffer): void {
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
    if (this.#watchesDrain) return;
    this.#watchesDrain = true;
    response.on('drain', () => this.#connection?.resume());
  }

  onComplete(trailers: readonly string[], reusable: boolean): void {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#over = true;
    if (connection && reusable && this.#requestSent) this.#call.pool.release(connection);
    else connection?.discard();
    const { response } = this.#call;
    if (!this.#requestSent) this.#dropBody();
    if (trailers.length > 0) response.addTrailers(pairs(trailers));
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
    response.detachSocket(response.socket as NonNullable<ServerResponse['socket']>);
    const { id } = entry.route;
    const headers = head.hasCookie || head.hasLocation ? this.#scoped(head.headers) : head.headers;
    const upstream = connection.detach();
    tunnel({
      head: { ...head, headers },
      client: upgrade.socket,
      upstream,
      fromClient: upgrade.head,
      fromUpstream: rest,
      touch: () => this.#context.touch(id),
      onClose: () => {
        pool.inFlight -= 1;
        this.#context.touch(id);
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
    const { request, response, entry, port } = this.#call;
    if (!this.#requestSent) this.#dropBody();
    if (!this.#headSent) {
      answerError(request, response, upstreamError(entry, port, failure));
      return;
    }
    // Towards a client that takes the end of the connection for the end of the body, only a reset says that it is not.
    if (this.#endsByClose) response.socket?.resetAndDestroy();
    else response.socket?.destroy();
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
    this.#cancelDial?.();
    this.#connection?.discard();
    this.#connection = undefined;
    this.#call.pool.inFlight -= 1;
    this.#context.touch(this.#call.entry.route.id);
  };
}

/**
 * All sandboxes reached by `/_sb/` share the edge's own origin in a browser. This gives each page an origin of its own,
 * so that one can't read another; what needs cookies or storage is used by its own host name.
 */
const SHARED_ORIGIN_POLICY = 'sandbox allow-scripts allow-forms allow-modals allow-popups allow-downloads';

/** IPv4 as such, also where the socket listens on both families. */
function clientAddress(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

function pairs(trailers: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let at = 0; at + 1 < trailers.length; at += 2) {
    const name = trailers[at] as string;
    if (allowedInTrailer(name)) list.push([name, trailers[at + 1] as string]);
  }
  return list;
}
