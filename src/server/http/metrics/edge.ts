import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { EdgeFigures } from '../../service.ts';

const FIRST_BYTE_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Traffic for sandboxes. There is one edge or none. */
export function edgeMetrics(registry: Registry, edge: EdgeFigures | undefined): void {
  const answers = new Counter({
    name: 'arc_edge_requests_total',
    help: "Requests to sandboxes, by who answered (sandbox, or edge with the code of its refusal) and the answer's class",
    labelNames: ['by', 'class', 'code'],
    registers: [registry],
  });
  const firstBytes = new Histogram({
    name: 'arc_edge_first_byte_seconds',
    help: "Time from when a request is sent on to the head of its sandbox's answer; time for which it was held is not in it",
    buckets: FIRST_BYTE_BUCKETS_S,
    registers: [registry],
  });
  new Gauge({
    name: 'arc_edge_held_requests',
    help: 'Requests that wait for their sandboxes to wake up',
    registers: [registry],
    collect() {
      this.set(edge?.held() ?? 0);
    },
  });
  edge?.onAnswer(({ by, status, code, ms }) => {
    answers.inc({ by, class: `${Math.floor(status / 100)}xx`, code: code ?? '' });
    if (by === 'sandbox') firstBytes.observe(ms / 1_000);
  });
}
