import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { arch, cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { removeTree } from '../../src/kit/remove-tree.ts';
import { median, table } from '../lib/figures.ts';
import { figure, writeResult } from '../lib/result.ts';
import { HOT, idOf } from './layout.ts';
import { caddy, haproxy, nginx, type Peer, upstream } from './peers.ts';
import { Pinned } from './process.ts';

/**
 * The edge beside nginx, HAProxy, Caddy and the shortest proxy on node:http: 10,000 routes, 64 of them asked in turn,
 * small answers, kept connections. Each on core 0, one after another in every round; the load and the upstream on core 1.
 *
 *     node bench/edge/bench.ts [--rounds 5] [--seconds 3] [--json FILE]
 *
 * Throughput: 50 connections, each asking again at once. Latency: at fixed rates, each answer counted from when its
 * request was due. Compare within one run only; `own CPU` is the figure that other work on the machine disturbs least.
 */
const ROUNDS = Number(option('--rounds', '5'));
const SECONDS = Number(option('--seconds', '3'));
const CONNECTIONS = 50;
const RATES = [500, 3_000];
const [PROXY_CORE, LOAD_CORE] = [0, 1];

function option(flag: string, fallback: string): string {
  const at = process.argv.indexOf(flag);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
}

interface Load {
  readonly answers: number;
  readonly errors: number;
  readonly unanswered: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

interface Target {
  readonly name: string;
  readonly running: Pinned;
  readonly hosts: string;
  readonly full: { perSecond: number; p50: number; p99: number; cpuUs: number }[];
  readonly fixed: Record<number, { p50: number; p99: number }[]>;
  errors: number;
}

const folder = mkdtempSync(join(tmpdir(), 'arc-bench-edge-'));
const program = join(folder, 'load');
const started: Pinned[] = [];
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

async function start(name: string, core: number, port: number, { argv, env }: Peer): Promise<Pinned> {
  const running = await Pinned.start({ name, core, port }, argv, env);
  started.push(running);
  return running;
}

async function target(name: string, port: number, peer: Peer, core = PROXY_CORE): Promise<Target> {
  const hosts = join(folder, `${name.replace(/\W/g, '-')}.hosts`);
  writeFileSync(hosts, Array.from({ length: HOT }, (_, n) => peer.host(n)).join('\n'));
  return { name, running: await start(name, core, port, peer), hosts, full: [], fixed: {}, errors: 0 };
}

function load({ running, hosts }: Target, seconds: number, rate: number): Load {
  const args = ['-c', String(LOAD_CORE), program, running.port, hosts, CONNECTIONS, seconds, rate].map(String);
  return JSON.parse(execFileSync('taskset', args, { encoding: 'utf8' }));
}

function measure(one: Target): void {
  const before = one.running.cpuMs();
  const full = load(one, SECONDS, 0);
  const cpuUs = ((one.running.cpuMs() - before) / full.answers) * 1_000;
  one.full.push({ perSecond: full.answers / full.seconds, p50: full.p50, p99: full.p99, cpuUs });
  one.errors += full.errors + full.unanswered;
  for (const rate of RATES) {
    const { p50, p99, errors, unanswered } = load(one, SECONDS, rate);
    one.fixed[rate] = [...(one.fixed[rate] ?? []), { p50, p99 }];
    one.errors += errors + unanswered;
  }
}

async function targets(): Promise<readonly Target[]> {
  const up = await freePort();
  const ports = await Promise.all([freePort(), freePort(), freePort(), freePort(), freePort()]);
  const node = [process.execPath, '--disable-warning=ExperimentalWarning'];
  const ours = (file: string, ...args: string[]): Peer => ({
    argv: [...node, here(file), ...args],
    env: {},
    host: (n) => `${idOf(n)}.localhost`,
  });
  const direct = await target('direct', up, upstream(join(folder, 'up'), up), LOAD_CORE);
  return [
    direct,
    await target('edge', ports[0], ours('./edge.ts', String(ports[0]), String(up), join(folder, 'set.json'))),
    await target('node:http proxy', ports[1], ours('./peer.ts', String(ports[1]), String(up))),
    await target('nginx', ports[2], nginx(join(folder, 'nginx'), ports[2], up)),
    await target('HAProxy', ports[3], haproxy(join(folder, 'haproxy'), ports[3], up)),
    await target('Caddy', ports[4], caddy(join(folder, 'caddy'), ports[4], up)),
  ];
}

function summary(one: Target) {
  const of = <T>(rows: readonly T[], pick: (row: T) => number) => median(rows.map(pick));
  return {
    name: one.name,
    requestsPerSecond: Math.round(of(one.full, (row) => row.perSecond)),
    cpuUsPerRequest: Math.round(of(one.full, (row) => row.cpuUs)),
    fixed: RATES.map((rate) => ({
      rate,
      p50Us: of(one.fixed[rate] ?? [], (row) => row.p50),
      p99Us: of(one.fixed[rate] ?? [], (row) => row.p99),
    })),
    errors: one.errors,
  };
}

function figuresOf(rows: readonly ReturnType<typeof summary>[]) {
  const of = (name: string) => rows.find((row) => row.name === name) ?? rows[0];
  const [edge, caddyRow, nginxRow] = [of('edge'), of('Caddy'), of('nginx')];
  const p99 = (row: typeof edge, rate: number) => row?.fixed.find((one) => one.rate === rate)?.p99Us ?? Number.NaN;
  const shares = [
    [500, 2],
    [3_000, 3],
  ] as const;
  return [
    figure('requests of small answers, 10,000 routes, one core each', edge?.requestsPerSecond ?? Number.NaN, {
      ...{ unit: 'a second', higherIsBetter: true },
      peer: { name: 'Caddy', values: caddyRow?.requestsPerSecond ?? Number.NaN },
      bar: { of: 'ratio', least: 1.3 },
    }),
    ...shares.map(([rate, share]) =>
      figure(`p99 at ${rate} requests a second`, p99(edge, rate), {
        unit: 'µs',
        peer: { name: 'nginx', values: p99(nginxRow, rate) },
        // At most so many times as long.
        bar: { of: 'ratio', least: Number((1 / share).toFixed(3)) },
      }),
    ),
    ...rows.map((row) => figure(`${row.name}: requests`, row.requestsPerSecond, { unit: 'a second' })),
  ];
}

function versions(): Readonly<Record<string, string>> {
  const first = (name: string, ...args: string[]) => {
    const { stdout, stderr } = spawnSync(name, args, { encoding: 'utf8' });
    return `${stdout}${stderr}`.split('\n')[0] ?? '';
  };
  return {
    node: process.version,
    nginx: first('nginx', '-v').replace('nginx version: nginx/', ''),
    haproxy: first('haproxy', '-v').split(' ')[2] ?? '',
    caddy: first('caddy', 'version'),
    machine: `${cpus().length} × ${cpus()[0]?.model}, ${arch()}, Linux ${release()}`,
  };
}

try {
  execFileSync('cc', ['-O2', '-o', program, here('./load.c')], { stdio: 'inherit' });
  const all = await targets();
  for (const one of all) load(one, 1, 0);
  for (let round = 0; round < ROUNDS; round += 1) for (const one of all) measure(one);
  const rows = all.map(summary);
  const setUs = JSON.parse(readFileSync(join(folder, 'set.json'), 'utf8'));
  console.log(JSON.stringify(versions()));
  console.log(
    table(
      [
        '',
        'requests/s',
        'own CPU µs',
        ...RATES.flatMap((rate) => [`p50 µs at ${rate}/s`, `p99 µs at ${rate}/s`]),
        'errors',
      ],
      rows.map((row) => [
        row.name,
        ...[
          row.requestsPerSecond,
          row.cpuUsPerRequest,
          ...row.fixed.flatMap(({ p50Us, p99Us }) => [p50Us, p99Us]),
          row.errors,
        ].map(String),
      ]),
    ),
  );
  console.log(`a new route, µs, at this many routes: ${JSON.stringify(setUs)}`);
  await writeResult('edge/bench', figuresOf(rows));
} finally {
  for (const one of started) await one.stop();
  await removeTree(folder, tmpdir());
}
