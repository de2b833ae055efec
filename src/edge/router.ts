import type { AccessRule } from '../contract/spec.ts';
import type { Reason, State } from '../contract/states.ts';

/**
 * The Router port: the table of routes, changed before create returns. The built-in edge reads it; exports for other
 * proxies are other implementations. Every implementation passes `testing/conformance/router.ts`.
 */
export interface Route {
  readonly id: string;
  readonly incarnation: number;
  readonly state: State;
  readonly reason: Reason;
  readonly detail?: string;
  /** When this state began, ms since the epoch; pages say it in words. Absent: the moment the route was set. */
  readonly since?: number;
  /** IPv4 address to connect to; absent unless it runs. */
  readonly address?: string;
  /** Requests are held, and it is woken for them; its connections stay as long as it has an address. */
  readonly wakes?: boolean;
  /** The first is what `ID.domain` reaches; any other port that the sandbox listens on is reached by `PORT-ID.domain`. */
  readonly ports: readonly number[];
  /** Ports whose bytes are passed as they are, for TLS connections to `PORT-ID.domain`. */
  readonly tcp?: readonly number[];
  /** Ports of this machine whose connections are for one of `tcp`, by that one. */
  readonly tcpPorts?: Readonly<Record<string, number>>;
  /** Who gets through; absent: everybody. */
  readonly access?: AccessRule;
}

export interface Router {
  /** A set of an older incarnation than the table has is ignored. Idle upstream connections of an earlier incarnation or address are closed, never used again. */
  set(route: Route): Promise<void>;
  /** Forgets it altogether: from then on it is unknown (404) rather than gone (410). */
  forget(id: string): Promise<void>;
  list(): Promise<readonly Route[]>;
}
