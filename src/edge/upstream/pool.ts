import { connect, type Socket } from 'node:net';
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import type { EdgeLimits } from '../limits.ts';
import { type ConnectionOwner, UpstreamConnection } from './connection.ts';
import { UpstreamFailure } from './failure.ts';

/** Counted over all pools. */
export interface PoolTotals {
  idle: number;
}

export interface PoolContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: EdgeLimits;
  readonly totals: PoolTotals;
}

export type Dialled = (failure: UpstreamFailure | undefined, connection: UpstreamConnection | undefined) => void;

/** Between two tries of a refused connection, ms: doubles from the first to the last. */
const RETRY_FIRST_MS = 10;
const RETRY_LAST_MS = 160;
/** Dead peers are found by the kernel's probes from this on, on connections that have no limit of their own. */
const KEEPALIVE_PROBE_MS = 60_000;

/**
 * All connections to one incarnation of one sandbox at one address. When any of these changes, the pool is closed and
 * every connection with it, used or not; nothing is carried over.
 */
export class UpstreamPool implements ConnectionOwner {
  readonly address: string;
  readonly responseHeadBytes: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #limits: EdgeLimits;
  readonly #totals: PoolTotals;
  readonly #idle = new Map<number, UpstreamConnection[]>();
  readonly #live = new Set<UpstreamConnection>();
  /** Ends a dial under way. */
  readonly #dials = new Set<(failure: UpstreamFailure) => void>();
  #idleCount = 0;
  #closed = false;
  #sweepArmed = false;
  /** Requests and tunnels under way, kept by those who use the pool. */
  inFlight = 0;

  constructor(address: string, { clock, logger, limits, totals }: PoolContext) {
    this.#logger = logger;
    this.address = address;
    this.responseHeadBytes = limits.responseHeadBytes;
    this.#clock = clock;
    this.#limits = limits;
    this.#totals = totals;
  }

  get closed(): boolean {
    return this.#closed;
  }

  now(): number {
    return this.#clock.monotonic();
  }

  /**
   * An unused connection, the latest used first.
   * @param once the request must not be sent twice: a server that is about to close a connection which was long unused
   *   would leave it unknown whether the request was taken, so only one that has just answered will do
   */
  take(port: number, once: boolean): UpstreamConnection | undefined {
    const list = this.#idle.get(port);
    const connection = list?.at(-1);
    if (!list || !connection) return undefined;
    if (once && this.now() - connection.idleSince > this.#limits.upstreamFreshMs) return undefined;
    list.pop();
    this.#countIdle(-1);
    return connection;
  }

  /** Gives a finished connection back. */
  release(connection: UpstreamConnection): void {
    connection.finish();
    if (this.#closed || connection.closed) return;
    if (this.#idleCount >= this.#limits.idlePerSandbox || this.#totals.idle >= this.#limits.idleInAll) {
      connection.discard();
      return;
    }
    const list = this.#idle.get(connection.port);
    if (list) list.push(connection);
    else this.#idle.set(connection.port, [connection]);
    this.#countIdle(1);
    this.#armSweep();
  }

  /** Makes a connection, trying again for a short while when it is refused. Gives what cancels it. */
  dial(port: number, done: Dialled): () => void {
    const giveUpAt = this.now() + this.#limits.refusedRetryMs;
    let pause = RETRY_FIRST_MS;
    let socket: Socket | undefined;
    let disarm: () => void = () => {};
    const settle = (failure: UpstreamFailure | undefined, connection: UpstreamConnection | undefined) => {
      if (!this.#dials.delete(end)) return;
      disarm();
      done(failure, connection);
    };
    const end = (failure: UpstreamFailure) => {
      socket?.destroy();
      settle(failure, undefined);
    };
    const attempt = () => {
      const trial = connect({
        host: this.address,
        port,
        noDelay: true,
        keepAlive: true,
        allowHalfOpen: true,
        keepAliveInitialDelay: KEEPALIVE_PROBE_MS,
      });
      socket = trial;
      disarm = this.#clock.after(this.#limits.connectMs, () =>
        end(new UpstreamFailure('unreachable', `no connection within ${this.#limits.connectMs} ms`)),
      );
      trial.on('error', (cause: NodeJS.ErrnoException) => {
        if (!this.#dials.has(end)) return;
        disarm();
        if (cause.code !== 'ECONNREFUSED') {
          settle(
            new UpstreamFailure('unreachable', `the connection failed (${cause.code ?? cause.message})`, cause),
            undefined,
          );
        } else if (this.now() + pause > giveUpAt) {
          settle(new UpstreamFailure('refused', 'the connection was refused', cause), undefined);
        } else {
          disarm = this.#clock.after(pause, attempt);
          pause = Math.min(pause * 2, RETRY_LAST_MS);
        }
      });
      trial.on('connect', () => {
        trial.removeAllListeners();
        const connection = new UpstreamConnection(trial, port, this);
        this.#live.add(connection);
        this.#armSweep();
        settle(undefined, connection);
      });
    };
    this.#dials.add(end);
    attempt();
    return () => {
      this.#dials.delete(end);
      disarm();
      socket?.destroy();
    };
  }

  /** Cuts everything, requests under way included. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#dials.size === 0 && this.#live.size === 0) return;
    const failure = new UpstreamFailure('cut', reason);
    for (const end of [...this.#dials]) end(failure);
    for (const connection of [...this.#live]) connection.fail(failure);
  }

  onClosed(connection: UpstreamConnection): void {
    this.#live.delete(connection);
    const list = this.#idle.get(connection.port);
    const at = list?.indexOf(connection) ?? -1;
    if (list && at >= 0) {
      list.splice(at, 1);
      this.#countIdle(-1);
    }
    if (list?.length === 0) this.#idle.delete(connection.port);
  }

  onFault(cause: unknown): void {
    this.#logger.error({ err: cause, address: this.address }, 'reading the answer of a sandbox failed');
  }

  #countIdle(by: 1 | -1): void {
    this.#idleCount += by;
    this.#totals.idle += by;
  }

  /** One timer looks after all deadlines of the pool, and only while it has connections. */
  #armSweep(): void {
    if (this.#sweepArmed || this.#closed) return;
    this.#sweepArmed = true;
    this.#clock.after(this.#limits.sweepMs, () => {
      this.#sweepArmed = false;
      this.#sweep();
      if (this.#live.size > 0) this.#armSweep();
    });
  }

  #sweep(): void {
    const now = this.now();
    for (const connection of [...this.#live]) {
      if (connection.idleSince > 0 && now - connection.idleSince >= this.#limits.upstreamIdleMs) connection.discard();
      else if (connection.waitingSince > 0 && now - connection.waitingSince >= this.#limits.responseMs) {
        connection.fail(new UpstreamFailure('timeout', `no answer within ${this.#limits.responseMs} ms`));
      }
    }
  }
}
