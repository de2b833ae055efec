import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '../../kit/clock.ts';
import type { Sandboxes, Templates } from '../service.ts';
import { METRICS_CACHE_MS } from './limits.ts';
import { poolMetrics } from './pool-metrics.ts';

const DURATION_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** One registry for each API, so that two in one process do not mix. */
export class Metrics {
  readonly registry = new Registry();
  readonly #requests = new Counter({
    name: 'arc_http_requests_total',
    help: 'Answered requests',
    labelNames: ['method', 'route', 'status'],
    registers: [this.registry],
  });
  readonly #durations = new Histogram({
    name: 'arc_http_request_seconds',
    help: 'Time from the first byte of a request to the last of its answer',
    labelNames: ['method', 'route'],
    buckets: DURATION_BUCKETS_S,
    registers: [this.registry],
  });
  readonly #starts = new Histogram({
    name: 'arc_sandbox_start_seconds',
    help: 'Time from a create request to a running sandbox',
    labelNames: ['isolation'],
    buckets: DURATION_BUCKETS_S,
    registers: [this.registry],
  });
  readonly #sockets = new Gauge({
    name: 'arc_websockets',
    help: 'Open WebSockets',
    labelNames: ['route'],
    registers: [this.registry],
  });

  constructor(sandboxes: Sandboxes, templates: Pick<Templates, 'pools'>, clock: Clock) {
    const counts = cached(clock, METRICS_CACHE_MS, () => sandboxes.countByState());
    new Gauge({
      name: 'arc_sandboxes',
      help: 'Sandboxes by state',
      labelNames: ['state'],
      registers: [this.registry],
      async collect() {
        for (const [state, count] of Object.entries(await counts())) this.set({ state }, count);
      },
    });
    poolMetrics(this.registry, templates);
    new Gauge({
      name: 'arc_process_resident_memory_bytes',
      help: 'Resident memory of the server',
      registers: [this.registry],
      collect() {
        this.set(process.memoryUsage.rss());
      },
    });
  }

  request(method: string, route: string, status: number, ms: number): void {
    this.#requests.inc({ method, route, status });
    this.#durations.observe({ method, route }, ms / 1_000);
  }

  started(isolation: string, ms: number): void {
    this.#starts.observe({ isolation }, ms / 1_000);
  }

  socket(route: string, change: 1 | -1): void {
    this.#sockets.inc({ route }, change);
  }
}

function cached<T>(clock: Clock, ms: number, make: () => Promise<T>): () => Promise<T> {
  let held: { readonly at: number; readonly value: Promise<T> } | undefined;
  return () => {
    if (held === undefined || clock.monotonic() - held.at >= ms) {
      const value = make();
      held = { at: clock.monotonic(), value };
      value.catch(() => {
        held = undefined;
      });
    }
    return held.value;
  };
}
