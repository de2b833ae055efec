import { Gauge, type Registry } from 'prom-client';
import type { Engine } from '../../../engines/engine.ts';
import { cached } from '../../../kit/cached.ts';
import type { Clock } from '../../../kit/clock.ts';
import type { Sandboxes } from '../../service.ts';
import { METRICS_CACHE_MS } from '../limits.ts';

/** What nodes have left, and what their levels cost. A figure that can't be had is absent. */
export function nodeMetrics(registry: Registry, sandboxes: Sandboxes, clock: Clock): void {
  const ask = <T>(what: (engine: Engine) => Promise<T> | undefined) =>
    cached(clock, METRICS_CACHE_MS, async () => await what(sandboxes.engine)?.catch(() => undefined));
  const memory = ask((engine) => engine.memoryPressure?.());
  const disk = ask((engine) => engine.diskSpace?.());
  // Who asks first may wait until every level was tried, which a scrape can't.
  let seen: Nodes | undefined;
  const asked = ask((engine) => engine.nodes());
  const nodes = () => {
    void asked().then((found) => {
      seen = found;
    });
    return seen;
  };
  new Gauge({
    name: 'arc_node_memory_bytes',
    help: 'Memory of the node that has least left: total and available',
    labelNames: ['kind'],
    registers: [registry],
    async collect() {
      const found = await memory();
      if (!found) return;
      this.set({ kind: 'total' }, found.totalBytes);
      this.set({ kind: 'available' }, found.availableBytes);
    },
  });
  new Gauge({
    name: 'arc_node_memory_stalled_ratio',
    help: 'Share of the last ten seconds in which something waited for memory, 0 to 1',
    registers: [registry],
    async collect() {
      this.set(((await memory())?.stalledPercent ?? 0) / 100);
    },
  });
  new Gauge({
    name: 'arc_node_disk_bytes',
    help: 'The disk that sandboxes write to: total and available',
    labelNames: ['kind'],
    registers: [registry],
    async collect() {
      const found = await disk();
      if (!found) return;
      this.set({ kind: 'total' }, found.totalBytes);
      this.set({ kind: 'available' }, found.availableBytes);
    },
  });
  new Gauge({
    name: 'arc_node_sandboxes',
    help: 'Sandboxes that run, by node',
    labelNames: ['node'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { name, sandboxes: count } of nodes() ?? []) this.set({ node: name }, count);
    },
  });
  levelMetrics(registry, nodes);
}

type Nodes = Awaited<ReturnType<Engine['nodes']>>;

function levelMetrics(registry: Registry, nodes: () => Nodes | undefined): void {
  const each = (set: (labels: { node: string; isolation: string }, level: Nodes[number]['levels'][number]) => void) => {
    for (const { name, levels } of nodes() ?? []) {
      for (const level of levels) set({ node: name, isolation: level.level }, level);
    }
  };
  new Gauge({
    name: 'arc_level_available',
    help: '1 for a level of isolation that the node gives, 0 for one that it does not',
    labelNames: ['node', 'isolation'],
    registers: [registry],
    collect() {
      each((labels, level) => this.set(labels, level.available ? 1 : 0));
    },
  });
  new Gauge({
    name: 'arc_level_memory_bytes',
    help: "What a sandbox of the level costs beside its program's own memory, measured when the level was tried",
    labelNames: ['node', 'isolation'],
    registers: [registry],
    collect() {
      each((labels, { cost }) => cost && this.set(labels, cost.memoryBytes));
    },
  });
  new Gauge({
    name: 'arc_level_start_seconds',
    help: 'From the order to start a sandbox of the level until its program ran, measured when the level was tried',
    labelNames: ['node', 'isolation'],
    registers: [registry],
    collect() {
      each((labels, { cost }) => cost && this.set(labels, cost.startMs / 1_000));
    },
  });
}
