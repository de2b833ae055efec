/** Every bound of the edge, by name and unit. `createEdge` takes any of them as an option. */
export interface EdgeLimits {
  /** Of a client's request line and header together. */
  readonly requestHeadBytes: number;
  /** Fields in a client's header. */
  readonly requestHeaderCount: number;
  /** For a client to send its whole header. */
  readonly requestHeadMs: number;
  /** A client's connection without a request. */
  readonly clientIdleMs: number;
  /** Client connections at once, upgraded ones included. */
  readonly connections: number;
  /** Of them, those of one client: an IPv4 address or an IPv6 /64. */
  readonly connectionsPerClient: number;
  /** The same for addresses of this machine, which may be a proxy for many. */
  readonly connectionsPerLocalClient: number;
  /** Requests at once on one HTTP/2 connection. */
  readonly streamsPerConnection: number;
  /** Memory of one HTTP/2 connection, MiB. */
  readonly sessionMiB: number;
  /** Nothing comes of a body that a sandbox waits for, or nothing is taken of an answer, for this long. */
  readonly clientStallMs: number;
  /** Requests and tunnels at once to one sandbox. */
  readonly requestsPerSandbox: number;
  /** For one TCP connection to a sandbox to be made. */
  readonly connectMs: number;
  /** How long a refused connection is tried again: a program that has just started may not listen yet. */
  readonly refusedRetryMs: number;
  /** From the last byte of the request to the first of the response. Streams have no limit after that. */
  readonly responseMs: number;
  /** Of a sandbox's status line and header together, and of its trailers. */
  readonly responseHeadBytes: number;
  /** An unused connection to a sandbox. */
  readonly upstreamIdleMs: number;
  /** A connection that was unused for longer is not trusted with a request that must not be sent twice. */
  readonly upstreamFreshMs: number;
  /** Unused connections kept to one sandbox, and to all. */
  readonly idlePerSandbox: number;
  readonly idleInAll: number;
  /** A client that waits for `100 Continue` is told to go on after this, if the sandbox says nothing. */
  readonly continueMs: number;
  /** How often deadlines of connections are looked at. */
  readonly sweepMs: number;
  /** For requests under way when the edge is closed. Streams and tunnels may never end, so it is short. */
  readonly drainMs: number;
  /** Requests that wait for sleeping sandboxes to wake: for one, for all, and for how long each. */
  readonly heldPerSandbox: number;
  readonly heldInAll: number;
  readonly heldMs: number;
  /** Removed sandboxes that the edge still answers 410 for; the oldest are forgotten first. */
  readonly goneRoutes: number;
}

export const EDGE_LIMITS: EdgeLimits = {
  requestHeadBytes: 32 * 1024,
  requestHeaderCount: 200,
  requestHeadMs: 10_000,
  clientIdleMs: 60_000,
  connections: 8_000,
  connectionsPerClient: 1_000,
  connectionsPerLocalClient: 8_000,
  streamsPerConnection: 100,
  sessionMiB: 4,
  clientStallMs: 60_000,
  requestsPerSandbox: 1_000,
  connectMs: 5_000,
  refusedRetryMs: 1_000,
  responseMs: 120_000,
  responseHeadBytes: 64 * 1024,
  upstreamIdleMs: 15_000,
  upstreamFreshMs: 1_000,
  idlePerSandbox: 128,
  idleInAll: 2_000,
  continueMs: 1_000,
  sweepMs: 1_000,
  drainMs: 2_000,
  heldPerSandbox: 2_000,
  heldInAll: 6_000,
  heldMs: 45_000,
  goneRoutes: 20_000,
};
