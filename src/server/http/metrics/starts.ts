import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Vitals } from '../../service.ts';

const PHASE_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Of what is counted for the gauges below, which say what is so now. */
const WINDOW_MS = 600_000;

/** What starts are made of, what waits for its start, and how often the helper was lost. */
export function startMetrics(registry: Registry, vitals: Vitals): void {
  const phases = new Histogram({
    name: 'arc_start_phase_seconds',
    help: 'Parts of starts: queue (until its turn), create (the engine), files, ready (its check), commit (route and row), claim (all of a claim)',
    labelNames: ['phase', 'isolation'],
    buckets: PHASE_BUCKETS_S,
    registers: [registry],
  });
  const failures = new Counter({
    name: 'arc_start_phase_failures_total',
    help: 'Parts of starts that failed',
    labelNames: ['phase', 'isolation'],
    registers: [registry],
  });
  vitals.onPhase(({ name, level, ms, ok }) => {
    const labels = { phase: name, isolation: level };
    if (ok) phases.observe(labels, ms / 1_000);
    else failures.inc(labels);
  });
  new Gauge({
    name: 'arc_queue_waiting',
    help: 'Sandboxes that wait for their start',
    registers: [registry],
    collect() {
      this.set(vitals.recent(WINDOW_MS).queue.waiting);
    },
  });
  new Gauge({
    name: 'arc_queue_longest_wait_seconds',
    help: 'How long the one that waits longest has waited',
    registers: [registry],
    collect() {
      this.set(vitals.recent(WINDOW_MS).queue.longestMs / 1_000);
    },
  });
  new Gauge({
    name: 'arc_helper_losses_recent',
    help: "Times that the node's helper was lost and started again within the last ten minutes",
    registers: [registry],
    collect() {
      this.set(vitals.recent(WINDOW_MS).helperLosses);
    },
  });
  new Gauge({
    name: 'arc_starts_recent',
    help: 'Starts within the last ten minutes: done, or failed for another reason than their program',
    labelNames: ['result'],
    registers: [registry],
    collect() {
      const { done, failed } = vitals.recent(WINDOW_MS).starts;
      this.set({ result: 'done' }, done);
      this.set({ result: 'failed' }, failed);
    },
  });
}
