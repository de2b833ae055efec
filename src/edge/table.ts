import { isIP } from 'node:net';
import { ArcError } from '../contract/errors.ts';
import type { State } from '../contract/states.ts';
import type { Clock } from '../kit/clock.ts';
import type { Logger } from '../kit/logger.ts';
import type { EdgeLimits } from './limits.ts';
import type { Route, Router } from './router.ts';
import { type PoolContext, UpstreamPool } from './upstream/pool.ts';

/** States in which a sandbox has connections: what is frozen keeps those it had, and takes no new ones. */
const SERVES: ReadonlySet<State> = new Set<State>(['running', 'warned', 'frozen']);

/** What the edge knows of one sandbox. */
export interface RouteEntry {
  readonly route: Route;
  /** When the state began, ms since the epoch. */
  readonly since: number;
  /** The way to it; absent where it takes no traffic. */
  readonly pool: UpstreamPool | undefined;
}

/**
 * The routes in memory, and with each the connections that belong to it. Whatever changes who is behind a route
 * (incarnation, address, state) closes its connections in the same step, before `set` returns.
 */
export class RouteTable implements Router {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #limits: EdgeLimits;
  readonly #pools: PoolContext;
  readonly #entries = new Map<string, RouteEntry>();
  /** Who is behind an address now. */
  readonly #owners = new Map<string, string>();
  readonly #publicPorts = new Map<number, { readonly id: string; readonly port: number }>();
  /** Ids of removed sandboxes, oldest first. */
  readonly #gone = new Set<string>();

  constructor(clock: Clock, logger: Logger, limits: EdgeLimits) {
    this.#clock = clock;
    this.#logger = logger;
    this.#limits = limits;
    this.#pools = { clock, logger, limits, totals: { idle: 0 } };
  }

  lookup(id: string): RouteEntry | undefined {
    return this.#entries.get(id);
  }

  /** Whose a port of this machine is now. */
  holder(publicPort: number): { readonly id: string; readonly port: number } | undefined {
    return this.#publicPorts.get(publicPort);
  }

  #publish(old: Route | undefined, route: Route | undefined): void {
    for (const port of Object.values(old?.tcpPorts ?? {})) {
      if (this.#publicPorts.get(port)?.id === old?.id) this.#publicPorts.delete(port);
    }
    if (!route) return;
    for (const [port, at] of Object.entries(route.tcpPorts ?? {})) {
      this.#publicPorts.set(at, { id: route.id, port: Number(port) });
    }
  }

  async set(route: Route): Promise<void> {
    check(route);
    const old = this.#entries.get(route.id);
    if (old && isStale(route, old.route)) return;
    const address = SERVES.has(route.state) && !hasLost(old, route) ? route.address : undefined;
    const same = old?.pool && old.route.incarnation === route.incarnation && old.pool.address === address;
    if (old && !same) this.#close(old, 'the sandbox was stopped, moved or started again');
    if (address !== undefined) this.#own(address, route.id);
    const sameState = old?.route.state === route.state && old.route.incarnation === route.incarnation;
    this.#entries.set(route.id, {
      route,
      since: route.since ?? (old && sameState ? old.since : this.#clock.now()),
      pool: same ? old.pool : address === undefined ? undefined : new UpstreamPool(address, this.#pools),
    });
    this.#publish(old?.route, route);
    if (route.state === 'removed') this.#remember(route.id);
  }

  async forget(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#close(entry, 'the sandbox is gone');
    this.#publish(entry.route, undefined);
    this.#entries.delete(id);
    this.#gone.delete(id);
  }

  async list(): Promise<readonly Route[]> {
    return [...this.#entries.values()].map((entry) => entry.route);
  }

  /** Closes every connection; the routes stay. */
  close(): void {
    for (const entry of this.#entries.values()) entry.pool?.close('the edge is closing');
  }

  #close(entry: RouteEntry, reason: string): void {
    if (!entry.pool) return;
    if (this.#owners.get(entry.pool.address) === entry.route.id) this.#owners.delete(entry.pool.address);
    entry.pool.close(reason);
  }

  /** An address belongs to whom it was given last. An earlier owner that is still in the table takes no more traffic. */
  #own(address: string, id: string): void {
    const earlier = this.#owners.get(address);
    this.#owners.set(address, id);
    if (earlier === undefined || earlier === id) return;
    const entry = this.#entries.get(earlier);
    if (!entry) return;
    this.#logger.warn({ address, earlier, id }, 'an address has a new owner while the earlier one is still routed');
    entry.pool?.close('its address belongs to another sandbox now');
    this.#entries.set(earlier, { ...entry, pool: undefined });
  }

  #remember(id: string): void {
    this.#gone.add(id);
    for (const oldest of this.#gone) {
      if (this.#gone.size <= this.#limits.goneRoutes) return;
      this.#gone.delete(oldest);
      this.#entries.delete(oldest);
    }
  }
}

/** `removed` is the last state of an id, so whatever comes after it is late news. */
function isStale(route: Route, known: Route): boolean {
  if (known.state === 'removed') return true;
  return route.incarnation < known.incarnation;
}

/** Its address went to another sandbox in this same incarnation: only a new incarnation can have one again. */
function hasLost(old: RouteEntry | undefined, route: Route): boolean {
  if (!old || old.pool || !SERVES.has(old.route.state)) return false;
  return old.route.incarnation === route.incarnation && old.route.address === route.address;
}

function check(route: Route): void {
  // A name would be resolved, and could come to be anything.
  if (route.address !== undefined && isIP(route.address) === 0) {
    throw new ArcError('internal', `the route of ${route.id} has ${route.address}, which is not an IP address`);
  }
  for (const port of route.ports) {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new ArcError('internal', `the route of ${route.id} has port ${port}`);
    }
  }
}
