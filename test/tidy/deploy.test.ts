import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runProgram } from '../../src/kit/run.ts';
import { metricsDocument } from '../../src/server/http/index.ts';
import { ROOT } from './sources.ts';

const read = (path: string) => readFileSync(join(ROOT, 'deploy', path), 'utf8');

async function check(program: string, ...args: string[]): Promise<void> {
  const options = { env: { PATH: '/usr/bin:/bin' }, timeoutMs: 120_000 };
  const { code, stdout, stderr, notStarted } = await runProgram([`/usr/bin/${program}`, ...args], options);
  assert.equal(code, 0, notStarted ?? `${stdout}\n${stderr}`);
}

test('promtool takes the configuration and the rules, and the rules fire when they should', async () => {
  await check('promtool', 'check', 'config', join(ROOT, 'deploy/prometheus/prometheus.yml'));
  await check('promtool', 'check', 'rules', join(ROOT, 'deploy/prometheus/arc.rules.yml'));
  await check('promtool', 'test', 'rules', join(ROOT, 'deploy/prometheus/arc.rules.test.yml'));
});

test('amtool takes the routes of Alertmanager', async () => {
  await check('amtool', 'check-config', join(ROOT, 'deploy/alertmanager/alertmanager.yml'));
});

test('rules and dashboards name metrics that there are, and every metric is on the dashboard', () => {
  const page = metricsDocument();
  const named = (text: string) => [...text.matchAll(/\barc_[a-z_]+/g)].map(([name]) => name.replace(/_bucket$/, ''));
  const lost = [...named(read('prometheus/arc.rules.yml')), ...named(read('grafana/dashboards/arc.json'))].filter(
    (name) => !page.includes(`\`${name}\``),
  );
  assert.deepEqual(lost, []);
  const [general = ''] = page.split('## Of each sandbox');
  const shown = new Set(named(read('grafana/dashboards/arc.json')));
  const all = [...general.matchAll(/^\| `(arc_[a-z_]+)`/gm)].map(([, name = '']) => name);
  assert.deepEqual(
    all.filter((name) => !shown.has(name)),
    [],
  );
});
