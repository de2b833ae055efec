import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { createEdge, type Edge, type EdgeOptions } from '../../../src/edge/edge.ts';
import type { EdgeLimits } from '../../../src/edge/limits.ts';
import type { Route } from '../../../src/edge/router.ts';
import { silentLogger } from '../../../src/kit/logger.ts';
import { realClock } from '../../../src/kit/real.ts';

/** A real edge and real servers on addresses of the loopback network that stand for sandboxes. */

export async function startEdge(
  t: TestContext,
  limits: Partial<EdgeLimits> = {},
  more: Partial<EdgeOptions> = {},
): Promise<Edge> {
  const edge = createEdge({
    listen: '127.0.0.1:0',
    domain: 'localhost',
    clock: realClock,
    logger: silentLogger,
    limits: { drainMs: 50, ...limits },
    ...more,
  });
  await edge.listen();
  t.after(() => edge.close());
  return edge;
}

/** An HTTP server at an address of its own; gives its port. */
export async function startUpstream(
  t: TestContext,
  address: string,
  listener: RequestListener,
): Promise<{ server: Server; port: number }> {
  const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, listener);
  await new Promise<void>((done) => server.listen({ host: address, port: 0 }, done));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, port: (server.address() as AddressInfo).port };
}

/** A server that speaks bytes: for what an HTTP library would never send. */
export async function startRawUpstream(
  t: TestContext,
  address: string,
  onConnection: (socket: Socket, count: number) => void,
  options: { readonly allowHalfOpen?: boolean } = {},
): Promise<{ port: number; connections: () => number }> {
  let count = 0;
  const sockets = new Set<Socket>();
  const server = createTcpServer(options, (socket) => {
    count += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    onConnection(socket, count);
  });
  await new Promise<void>((done) => server.listen({ host: address, port: 0 }, done));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, connections: () => count };
}

/** Answers each request with the given bytes, on one connection after another. */
export function answering(reply: string | ((head: string) => string), options: { readonly close?: boolean } = {}) {
  return (socket: Socket) => {
    let held = '';
    socket.on('data', (bytes) => {
      held += bytes.toString('latin1');
      for (let end = held.indexOf('\r\n\r\n'); end >= 0; end = held.indexOf('\r\n\r\n')) {
        const head = held.slice(0, end + 4);
        held = held.slice(end + 4);
        socket.write(typeof reply === 'string' ? reply : reply(head), 'latin1');
        if (options.close) socket.end();
      }
    });
  };
}

export function route(id: string, address: string, port: number, more: Partial<Route> = {}): Route {
  return { id, incarnation: 1, state: 'running', reason: 'ready', address, ports: [port], ...more };
}

/** Sends bytes and gives all that comes back until the server closes, or until `until` is seen. */
export async function exchange(edge: Edge, bytes: string, until?: RegExp): Promise<string> {
  const socket = connect(edge.address.port, edge.address.host);
  socket.on('error', () => {});
  let text = '';
  await new Promise<void>((done) => {
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (until?.test(text)) done();
    });
    socket.on('close', () => done());
    socket.write(bytes, 'latin1');
  });
  socket.destroy();
  return text;
}

/** One request with `Connection: close`, as bytes. */
export const get = (host: string, path = '/', lines: readonly string[] = []): string =>
  [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...lines, '', ''].join('\r\n');

export const statusOf = (response: string): number => Number(/^HTTP\/1\.1 ([0-9]{3}) /.exec(response)?.[1]);
export const bodyOf = (response: string): string =>
  Buffer.from(response.slice(response.indexOf('\r\n\r\n') + 4), 'latin1').toString();

const CONDITION_MS = 5_000;

/** Waits, within bounds, for a condition to hold. */
export async function until(condition: () => boolean, what: string, ms = CONDITION_MS): Promise<void> {
  const deadline = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${ms} ms`);
    await realClock.sleep(5);
  }
}
