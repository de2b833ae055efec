import { Gauge, Registry } from 'prom-client';
import type { RawStats } from '../../../engines/engine.ts';
import type { SandboxRecord } from '../../service.ts';

export interface MeasuredSandbox {
  readonly record: SandboxRecord;
  readonly stats: RawStats;
}

interface Figure {
  readonly name: string;
  readonly help: string;
  readonly value: (one: MeasuredSandbox) => number | undefined;
}

const FIGURES: readonly Figure[] = [
  {
    name: 'arc_sandbox_cpu_seconds',
    help: 'Processor time used since its start',
    value: ({ stats }) => stats.cpuMs / 1_000,
  },
  { name: 'arc_sandbox_memory_bytes', help: 'Memory in use', value: ({ stats }) => stats.memoryBytes },
  {
    name: 'arc_sandbox_memory_limit_bytes',
    help: 'Memory that it may use',
    value: ({ record }) => record.spec.limits.memoryBytes,
  },
  { name: 'arc_sandbox_processes', help: 'Processes', value: ({ stats }) => stats.pids },
  { name: 'arc_sandbox_disk_bytes', help: 'Bytes in its writable layer', value: ({ stats }) => stats.diskBytes },
  {
    name: 'arc_sandbox_received_bytes',
    help: 'Bytes received by network since its start',
    value: ({ stats }) => stats.rxBytes,
  },
  {
    name: 'arc_sandbox_sent_bytes',
    help: 'Bytes sent by network since its start',
    value: ({ stats }) => stats.txBytes,
  },
  { name: 'arc_sandbox_log_bytes', help: 'Bytes of log that are kept', value: ({ stats }) => stats.logBytes },
];
const BASE_LABELS = ['sandbox', 'template', 'owner', 'isolation', 'state'] as const;

export function sandboxMetricNames() {
  return FIGURES.map(({ name, help }) => ({ name, help, type: 'gauge', labelNames: [...BASE_LABELS, 'label_…'] }));
}

/** A label of a sandbox as a label of a metric: `course/group` becomes `label_course_group`. */
const labelName = (key: string): string => `label_${key.replaceAll(/[^A-Za-z0-9_]/g, '_')}`;

/** The text for one scrape, made anew each time: what is gone leaves nothing behind. */
export async function sandboxMetrics(all: readonly MeasuredSandbox[], labels: readonly string[]): Promise<string> {
  const registry = new Registry();
  const labelNames = [...BASE_LABELS, ...new Set(labels.map(labelName))];
  for (const { name, help, value } of FIGURES) {
    const gauge = new Gauge({ name, help, labelNames, registers: [registry] });
    for (const one of all) {
      const { record } = one;
      const figure = value(one);
      if (figure === undefined) continue;
      const own = Object.fromEntries(labels.map((key) => [labelName(key), record.labels[key] ?? '']));
      const { id, owner, state, spec } = record;
      gauge.set({ sandbox: id, owner, state, template: spec.template, isolation: spec.isolation, ...own }, figure);
    }
  }
  return await registry.metrics();
}
