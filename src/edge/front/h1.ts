import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { answerClientError, refuseConnect } from '../client-error.ts';
import type { EdgeLimits } from '../limits.ts';

/** How often node looks for clients that have not sent their header in time. */
const HEAD_CHECK_MS = 1_000;

export interface Http1Handlers {
  onRequest(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void;
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** Node's server, as strict as it can be set. Connections come from its own port, or are given to it (TLS). */
export function createHttp1Front(limits: EdgeLimits, handlers: Http1Handlers): Server {
  const server = createServer({
    insecureHTTPParser: false,
    maxHeaderSize: limits.requestHeadBytes,
    headersTimeout: limits.requestHeadMs,
    keepAliveTimeout: limits.clientIdleMs,
    // Uploads may take as long as they take; one that stands still is ended by `Forward`.
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
  server.on('request', (request, response) => handlers.onRequest(request, response, false));
  server.on('checkContinue', (request, response) => handlers.onRequest(request, response, true));
  server.on('upgrade', (request, socket, head) => handlers.onUpgrade(request, socket, head));
  server.on('connect', (_request, socket) => refuseConnect(socket));
  server.on('clientError', (cause, socket) => answerClientError(cause, socket));
  return server;
}

/** HTTP/2 by upgrade is not served: such a request is answered as what else it is. Nor is an upgrade with a body. */
function upgradable(request: IncomingMessage): boolean {
  const { headers } = request;
  if (headers['transfer-encoding'] !== undefined) return false;
  if (headers['content-length'] !== undefined && headers['content-length'] !== '0') return false;
  return headers.upgrade !== undefined && !/^\s*h2c?\s*$/i.test(headers.upgrade);
}
