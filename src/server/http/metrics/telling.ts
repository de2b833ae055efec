import { Counter, Gauge, type Registry } from 'prom-client';
import type { Alerts, Hooks } from '../../service.ts';

/** How hooks are delivered, and what operators are told of. */
export function tellingMetrics(registry: Registry, hooks: Hooks, alerts: Alerts): void {
  new Counter({
    name: 'arc_hook_messages_total',
    help: 'Messages of hooks: delivered, failed (tries), given up, missed (forgotten before they could be sent)',
    labelNames: ['hook', 'result'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { id, status } of hooks.statuses()) {
        this.inc({ hook: id, result: 'delivered' }, status.delivered);
        this.inc({ hook: id, result: 'failed' }, status.failed);
        this.inc({ hook: id, result: 'given-up' }, status.givenUp);
        this.inc({ hook: id, result: 'missed' }, status.missed);
      }
    },
  });
  new Gauge({
    name: 'arc_hook_pending',
    help: 'Messages of a hook that are on their way',
    labelNames: ['hook'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { id, status } of hooks.statuses()) this.set({ hook: id }, status.pending);
    },
  });
  new Gauge({
    name: 'arc_alerts',
    help: 'What an operator should know of now, by alert',
    labelNames: ['alert', 'severity'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { name, severity } of alerts.firing()) this.inc({ alert: name, severity });
    },
  });
}
