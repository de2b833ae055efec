import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Measured, run } from './load.ts';

/**
 * Requests a second and latency, directly, through the edge, and through the shortest proxy on node:http, taking turns
 * in one run. About 20 s. Compare within one run only: the machine, and who else uses it, decide the rest.
 */
const CLIENTS = 50;
const ROUNDS = 3;
const TURN_MS = 1_800;
const TICK_MS = 10;

const children: ChildProcess[] = [];

interface Started {
  readonly pid: number;
  readonly port: number;
}

async function start(file: string, ...argv: string[]): Promise<Started> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, [path, ...argv], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const line = await Promise.race([
    once(createInterface(child.stdout), 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error(`${file} ended before it listened`))),
  ]);
  return { pid: child.pid ?? 0, port: Number(line[0]) };
}

/** Processor time a process has used, ms: says what a request costs also where others use the machine. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

try {
  const upstream = await start('./upstream.ts');
  const edge = await start('./edge.ts', String(upstream.port));
  const peer = await start('./peer.ts', String(upstream.port));
  const targets = [
    { name: 'direct', host: '127.0.0.2', ...upstream, hostHeader: '127.0.0.2' },
    { name: 'edge', host: '127.0.0.1', ...edge, hostHeader: 'sb-bench.localhost' },
    { name: 'node:http proxy', host: '127.0.0.1', ...peer, hostHeader: 'x' },
  ];
  const cpu = new Map<string, number[]>(targets.map(({ name }) => [name, []]));
  const results = new Map<string, Measured[]>(targets.map(({ name }) => [name, []]));
  for (const target of targets) await run({ ...target, clients: CLIENTS, durationMs: 300 });
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const target of targets) {
      const before = cpuMs(target.pid);
      const measured = await run({ ...target, clients: CLIENTS, durationMs: TURN_MS });
      results.get(target.name)?.push(measured);
      cpu.get(target.name)?.push(((cpuMs(target.pid) - before) / (measured.perSecond * (TURN_MS / 1_000))) * 1_000);
    }
  }
  const one: string[] = [];
  for (const target of targets) {
    const alone = await run({ ...target, clients: 1, durationMs: 500 });
    one.push(alone.p50Ms.toFixed(3));
  }
  console.table(
    Object.fromEntries(
      targets.map(({ name }, index) => {
        const rounds = results.get(name) ?? [];
        return [
          name,
          {
            'requests/s': Math.round(median(rounds.map((round) => round.perSecond))),
            'p50 ms': median(rounds.map((round) => round.p50Ms)).toFixed(2),
            'p99 ms': median(rounds.map((round) => round.p99Ms)).toFixed(2),
            'p50 ms, 1 client': one[index],
            'its own CPU µs/request': Math.round(median(cpu.get(name) ?? [])),
            errors: rounds.reduce((sum, round) => sum + round.errors, 0),
          },
        ];
      }),
    ),
  );
  console.log(`${CLIENTS} clients kept alive, ${ROUNDS} turns of ${TURN_MS} ms each, medians`);
} finally {
  for (const child of children) child.kill('SIGKILL');
}
