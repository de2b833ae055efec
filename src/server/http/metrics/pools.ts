import { Counter, Gauge, type Registry } from 'prom-client';
import type { Templates } from '../../service.ts';

/** Sizes of the pools, and how often they had what was asked for. Read when the metrics are asked for. */
export function poolMetrics(registry: Registry, templates: Pick<Templates, 'pools'>): void {
  new Gauge({
    name: 'arc_pool_sandboxes',
    help: 'Warm sandboxes by template: ready, starting, and the target',
    labelNames: ['template', 'state'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { template, ready, starting, target } of templates.pools()) {
        this.set({ template, state: 'ready' }, ready);
        this.set({ template, state: 'starting' }, starting);
        this.set({ template, state: 'target' }, target);
      }
    },
  });
  new Gauge({
    name: 'arc_pool_failing',
    help: '1 for a template of which no warm sandbox can be started',
    labelNames: ['template'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { template, retryAt } of templates.pools()) this.set({ template }, retryAt === undefined ? 0 : 1);
    },
  });
  new Counter({
    name: 'arc_pool_claims_total',
    help: 'Creates of templates with a pool: hit, miss (none was ready), unfit (asked for what a warm one can not become)',
    labelNames: ['template', 'result'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { template, hits, misses, unfit } of templates.pools()) {
        this.inc({ template, result: 'hit' }, hits);
        this.inc({ template, result: 'miss' }, misses);
        this.inc({ template, result: 'unfit' }, unfit);
      }
    },
  });
}
