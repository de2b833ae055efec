import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { untilTrue } from '../lib/wait.ts';

/** The kernel counts processor time in these, ms. */
const TICK_MS = 10;
const START_MS = 30_000;

/** A program on one core that listens on loopback; ended with the bench. */
export class Pinned {
  readonly #child: ChildProcess;
  readonly name: string;
  readonly port: number;

  private constructor(name: string, child: ChildProcess, port: number) {
    this.name = name;
    this.#child = child;
    this.port = port;
  }

  static async start(
    { name, core, port }: { name: string; core: number; port: number },
    argv: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Pinned> {
    const child = spawn('taskset', ['-c', String(core), ...argv], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, ...env },
    });
    const pinned = new Pinned(name, child, port);
    await untilTrue(`${name} listens`, START_MS, async () => {
      if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
      return await accepts(port);
    });
    return pinned;
  }

  /** Processor time that it and its children have used so far, ms. */
  cpuMs(): number {
    const stats = allStats();
    const own = new Set([this.#child.pid ?? -1]);
    let ticks = 0;
    for (const { pid, ppid, used } of stats) {
      if (!own.has(pid) && !own.has(ppid)) continue;
      own.add(pid);
      ticks += used;
    }
    return ticks * TICK_MS;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise<void>((done) => this.#child.once('exit', () => done()));
    this.#child.kill('SIGTERM');
    await ended;
  }
}

function allStats(): readonly { pid: number; ppid: number; used: number }[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)
    .flatMap((pid) => {
      try {
        const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
        return [{ pid, ppid: Number(fields[1]), used: Number(fields[11]) + Number(fields[12]) }];
      } catch {
        return [];
      }
    });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => socket.destroy());
    socket.on('error', () => done(false));
    socket.on('close', (failed) => done(!failed));
  });
}
