import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';

/**
 * A client's request and the answer to it, as the edge uses them: what HTTP/1.1 (node's own objects) and HTTP/2
 * (`h2-request.ts`, `h2-response.ts`) have in common.
 */
export interface ClientRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  /** 0 for HTTP/1.0, whose clients know no chunks and no interim answers. */
  readonly httpVersionMinor: number;
  /** Name, value, name, value, … as HTTP/1.1 would have them: with Host, and with what frames the body. */
  readonly rawHeaders: readonly string[];
  readonly rawTrailers: readonly string[];
  readonly headers: Pick<IncomingMessage['headers'], 'host' | 'connection' | 'accept' | 'upgrade' | 'cookie'>;
  readonly socket: { readonly remoteAddress?: string | undefined; readonly encrypted?: boolean };
  on(event: 'data', listener: (bytes: Buffer) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  off(event: 'data', listener: (bytes: Buffer) => void): unknown;
  off(event: 'end', listener: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

export interface ClientResponse {
  readonly headersSent: boolean;
  readonly destroyed: boolean;
  /** The connection may serve another request; HTTP/2 connections always may. */
  shouldKeepAlive: boolean;
  /** The client's connection, where it is this answer's alone. */
  readonly socket: Socket | null;
  writeHead(status: number, reason: string, headers: string[]): unknown;
  flushHeaders(): void;
  write(bytes: Buffer): boolean;
  end(bytes?: Buffer): unknown;
  end(text: string, encoding: 'latin1'): unknown;
  writeContinue(): void;
  writeInformation(status: number, headers: OutgoingHttpHeaders): void;
  addTrailers(trailers: [string, string][]): void;
  on(event: 'close' | 'drain', listener: () => void): unknown;
  off(event: 'close', listener: () => void): unknown;
  destroy(): unknown;
}

/** The client came by TLS. */
export const isSecure = (request: ClientRequest): boolean => request.socket.encrypted === true;
