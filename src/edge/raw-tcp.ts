import type { Socket } from 'node:net';
import { asArcError } from '../contract/errors.ts';
import { needsToken } from '../domain/access-token.ts';
import type { Clock } from '../kit/clock.ts';
import type { Gate } from './access/gate.ts';
import type { HeldRequests } from './held.ts';
import { parseHost } from './host.ts';
import type { EdgeLimits } from './limits.ts';
import type { RouteEntry, RouteTable } from './table.ts';
import { join } from './tunnel.ts';

export interface RawTcpOptions {
  readonly domain: string;
  readonly clock: Clock;
  readonly limits: EdgeLimits;
  readonly router: RouteTable;
  readonly gate: Gate;
  readonly touch: (id: string) => void;
  /** Wakes what sleeps, as for HTTP; undefined: they are told that it sleeps. */
  readonly held: HeldRequests | undefined;
}

/** Of the line with a token. */
const LINE_BYTES = 512;
/** How often one connection is held again, because its sandbox went to sleep before it got there. */
const HELD_TIMES_MAX = 3;
const NO_NAMES: ReadonlySet<string> = new Set();

/**
 * Bytes as they are, for ports that a template lists under `tcp`: a TLS connection names one as `PORT-ID.domain` (SNI), or a
 * port of this machine is that of one.
 * Where the sandbox asks for a token, the client's first line is that; it goes no further.
 */
export class RawTcp {
  readonly #options: RawTcpOptions;

  constructor(options: RawTcpOptions) {
    this.#options = options;
  }

  /** Takes the connection, unless that name isn't served raw. */
  serve(socket: Socket, name: string): boolean {
    const { domain } = this.#options;
    const kind = parseHost(name, domain, NO_NAMES);
    if (kind.kind !== 'sandbox' || kind.target.port === undefined) return false;
    const { id, port } = kind.target;
    return this.#serveTo(socket, id, port);
  }

  /** A connection in the clear, to a port of this machine that is a sandbox's. */
  servePublic(socket: Socket, publicPort: number): void {
    const target = this.#options.router.holder(publicPort);
    if (!target || !this.#serveTo(socket, target.id, target.port)) socket.destroy();
  }

  #serveTo(socket: Socket, id: string, port: number): boolean {
    const { router, limits } = this.#options;
    const entry = router.lookup(id);
    if (!entry?.route.tcp?.includes(port)) return false;
    if (!needsToken(entry.route.access, port)) {
      this.#wakeThenConnect(socket, entry, port, Buffer.alloc(0));
      return true;
    }
    this.#firstLine(socket, limits.requestHeadMs, (line, rest) => {
      // What was known when the connection came may not be true any more.
      const now = router.lookup(id);
      if (now && this.#options.gate.opens(now.route, port, line)) this.#wakeThenConnect(socket, now, port, rest);
      else socket.end('A token for this sandbox must be the first line.\n');
    });
    return true;
  }

  #firstLine(socket: Socket, ms: number, done: (line: string, rest: Buffer) => void): void {
    let held: Buffer = Buffer.alloc(0);
    const cancel = this.#options.clock.after(ms, () => socket.destroy());
    const onData = (bytes: Buffer): void => {
      held = Buffer.concat([held, bytes]);
      const end = held.indexOf(10);
      if (end < 0 && held.length <= LINE_BYTES) return;
      socket.off('data', onData);
      socket.pause();
      cancel();
      const line = held
        .subarray(0, Math.min(Math.max(end, 0), LINE_BYTES))
        .toString('latin1')
        .trim();
      done(line, held.subarray(end + 1));
    };
    socket.on('data', onData);
    socket.resume();
    socket.once('close', cancel);
  }

  /** A connection wakes its sandbox, and is held meanwhile, within the same bounds as requests. */
  #wakeThenConnect(client: Socket, entry: RouteEntry, port: number, first: Buffer, times = 0): void {
    const { held, router } = this.#options;
    const { id } = entry.route;
    if (!entry.route.wakes || !held || times >= HELD_TIMES_MAX) {
      this.#connect(client, entry, port, first);
      return;
    }
    client.pause();
    held
      .wait(id, (leave) => client.once('close', leave))
      .then((outcome) => {
        if (outcome === 'gone' || client.destroyed) return;
        const now = router.lookup(id);
        if (now?.route.tcp?.includes(port)) this.#wakeThenConnect(client, now, port, first, times + 1);
        else client.end('The sandbox is gone.\n');
      })
      .catch((error) => client.end(`${asArcError(error).message}\n`));
  }

  #connect(client: Socket, { route, pool }: RouteEntry, port: number, first: Buffer): void {
    const { limits, touch } = this.#options;
    client.pause();
    // Nobody inside would answer.
    const asleep = !pool || route.state === 'frozen';
    if (asleep || pool.inFlight >= limits.requestsPerSandbox) {
      client.end(asleep ? `The sandbox is ${route.state}.\n` : 'The sandbox has as many connections as it takes.\n');
      return;
    }
    pool.inFlight += 1;
    touch(route.id);
    // An end is no use: a connection that said nothing must not keep or wake its sandbox by going.
    const over = () => {
      pool.inFlight -= 1;
    };
    let dialling = true;
    const cancel = pool.dial(port, (_failure, connection) => {
      dialling = false;
      client.off('close', gone);
      if (!connection) {
        over();
        client.end('Nothing listens on that port of the sandbox.\n');
        return;
      }
      const upstream: Socket = connection.detach();
      if (first.length > 0) upstream.write(first);
      join({ client, upstream, touch: () => touch(route.id), onClose: over });
    });
    const gone = () => {
      if (!dialling) return;
      cancel();
      over();
    };
    client.once('close', gone);
  }
}
