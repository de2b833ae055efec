import { nothingBehind } from '../deps.ts';
import { Metrics } from './metrics.ts';
import { sandboxMetricNames } from './sandboxes.ts';

interface Described {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labelNames?: readonly string[];
}

/** The page of metrics, from the metrics themselves. */
export function metricsDocument(): string {
  const { registry } = new Metrics(nothingBehind());
  const all = registry.getMetricsAsArray() as unknown as readonly Described[];
  const rows = [...all].sort((a, b) => (a.name < b.name ? -1 : 1)).map(row);
  return [
    '# Metrics',
    '',
    'Written by `./arc dev reference` from the code. `GET /metrics` of the API has them in the text format of Prometheus, without a',
    'key: counts and durations only, and no id, owner or label of a sandbox. `deploy/` has a Prometheus, its rules and',
    'dashboards.',
    '',
    ...table(rows),
    '',
    '## Of each sandbox',
    '',
    '`GET /v1/metrics`, for admins, by opt-in: it is served to who asks for it, and costs a look at every sandbox that runs. Labels of',
    'sandboxes become labels of metrics only where the question names them (`?label=user_id`, eight at most), and no more than 5,000',
    'sandboxes are shown, so the number of series is bounded.',
    '',
    ...table(sandboxMetricNames().map(row)),
    '',
  ].join('\n');
}

function row({ name, type, help, labelNames = [] }: Described): string {
  return `| \`${name}\` | ${type} | ${labelNames.map((label) => `\`${label}\``).join(', ')} | ${help} |`;
}

function table(rows: readonly string[]): readonly string[] {
  return ['| metric | type | labels | what |', '| --- | --- | --- | --- |', ...rows];
}
