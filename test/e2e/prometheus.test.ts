import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import { type LaunchedArc, launchArc } from './lib/launch.ts';
import { until } from './lib/until.ts';

const DEPLOY = join(import.meta.dirname, '../../deploy');
const WAIT_MS = 120_000;

let arc: LaunchedArc;
let prometheus: ChildProcess;
let base: string;
let output = '';
const folder = mkdtempSync('/tmp/arc-prometheus-');

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

before(async () => {
  arc = await launchArc({ octet: 151 });
  // As it is shipped, but for addresses and how often it looks.
  const config = readFileSync(join(DEPLOY, 'prometheus/prometheus.yml'), 'utf8')
    .replaceAll('127.0.0.1:7700', new URL(arc.api).host)
    .replaceAll('15s', '1s');
  writeFileSync(join(folder, 'prometheus.yml'), config);
  copyFileSync(join(DEPLOY, 'prometheus/arc.rules.yml'), join(folder, 'arc.rules.yml'));
  const listen = `127.0.0.1:${await freePort()}`;
  base = `http://${listen}`;
  const flags = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`];
  prometheus = spawn('/usr/bin/prometheus', [...flags, `--web.listen-address=${listen}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [prometheus.stdout, prometheus.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
});

after(async () => {
  const ended = new Promise((resolve) => prometheus?.once('exit', resolve));
  if (prometheus?.kill()) await ended;
  rmSync(folder, { recursive: true, force: true });
  await arc?.[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}

async function query(expression: string): Promise<Answer> {
  const response = await fetch(`${base}/api/v1/query?${new URLSearchParams({ query: expression })}`);
  return (await response.json()) as Answer;
}

async function value(expression: string): Promise<number | undefined> {
  const { data } = await query(expression).catch(() => ({ data: { result: [] } }));
  const [first] = data?.result ?? [];
  return first && Number(first.value[1]);
}

test('Prometheus as it is shipped scrapes a running Arc and sees what happens there', async () => {
  const sandbox = await arc.client.sandboxes.create({ template: 'whoami' });
  await fetch(arc.edge, { headers: { host: `${sandbox.id}.localhost` } }).then((response) => response.text());
  await fetch(`${arc.edge}/_sb/${sandbox.id}/`).then((response) => response.text());
  await until(`a scrape; ${output.slice(-2_000)}`, async () => (await value('up{job="arc"}')) === 1, WAIT_MS);
  await until('the sandbox that runs', async () => (await value('arc_sandboxes{state="running"}')) === 1, WAIT_MS);
  const started = 'sum(arc_start_phase_seconds_count{phase="create",isolation="container"})';
  await until('the parts of its start', async () => ((await value(started)) ?? 0) >= 1, WAIT_MS);
  const served = 'sum(arc_edge_requests_total{by="sandbox",class="2xx"})';
  await until('the request to it', async () => ((await value(served)) ?? 0) >= 1, WAIT_MS);
  for (const metric of ['arc_node_memory_bytes', 'arc_node_disk_bytes']) {
    assert.ok(((await value(`${metric}{kind="available"}`)) ?? 0) > 0, metric);
  }
  await sandbox.remove();
});

test('every rule and every panel is a question that Prometheus takes', async () => {
  interface Rules {
    readonly groups: readonly { readonly rules: readonly { readonly expr: string }[] }[];
  }
  interface Dashboard {
    readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[];
  }
  const rules = parse(readFileSync(join(DEPLOY, 'prometheus/arc.rules.yml'), 'utf8')) as Rules;
  const dashboard = JSON.parse(readFileSync(join(DEPLOY, 'grafana/dashboards/arc.json'), 'utf8')) as Dashboard;
  const asked = [
    ...rules.groups.flatMap((group) => group.rules.map(({ expr }) => expr)),
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ];
  assert.ok(asked.length > 30);
  for (const expression of asked) {
    const plain = expression.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '1m');
    const { status, error } = await query(plain);
    assert.equal(status, 'success', `${plain}: ${error}`);
  }
});
