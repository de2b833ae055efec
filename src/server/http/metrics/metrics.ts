import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { cached } from '../../../kit/cached.ts';
import type { Clock } from '../../../kit/clock.ts';
import type { EdgeFigures, Services } from '../../service.ts';
import { METRICS_CACHE_MS } from '../limits.ts';
import { edgeMetrics } from './edge.ts';
import { nodeMetrics } from './node.ts';
import { poolMetrics } from './pools.ts';
import { startMetrics } from './starts.ts';
import { tellingMetrics } from './telling.ts';

export const DURATION_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export interface Measured extends Pick<Services, 'sandboxes' | 'templates' | 'vitals' | 'hooks' | 'alerts'> {
  readonly clock: Clock;
  readonly edge?: EdgeFigures;
}

/** One registry for each API, so that two in one process do not mix. No metric names a sandbox, an owner or a label. */
export class Metrics {
  readonly registry = new Registry();
  readonly #requests = new Counter({
    name: 'arc_http_requests_total',
    help: 'Requests to the API that were answered',
    labelNames: ['method', 'route', 'status'],
    registers: [this.registry],
  });
  readonly #durations = new Histogram({
    name: 'arc_http_request_seconds',
    help: 'Time from the first byte of a request to the API to the last of its answer',
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
    help: 'Open WebSockets of the API',
    labelNames: ['route'],
    registers: [this.registry],
  });

  constructor({ sandboxes, templates, vitals, hooks, alerts, clock, edge }: Measured) {
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
    startMetrics(this.registry, vitals);
    poolMetrics(this.registry, templates);
    nodeMetrics(this.registry, sandboxes, clock);
    tellingMetrics(this.registry, hooks, alerts);
    edgeMetrics(this.registry, edge);
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
