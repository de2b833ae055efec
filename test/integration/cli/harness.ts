import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { Readable, type Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { InputStream, SignalName } from '../../../src/cli/env.ts';
import { runCli } from '../../../src/cli/index.ts';
import { Sink } from '../../../src/cli/testing/sink.ts';
import type { Clock } from '../../../src/kit/clock.ts';
import { realClock } from '../../../src/kit/real.ts';
import type { Harness } from '../api/harness.ts';

export interface CliOptions {
  readonly stdin?: string | Readable;
  readonly environment?: Record<string, string>;
  readonly cwd?: string;
  readonly clock?: Clock;
  readonly stdout?: Sink;
  readonly stderr?: Sink;
}

export interface CliRun {
  readonly code: Promise<number>;
  readonly stdout: Sink;
  readonly stderr: Sink;
  signal(name: SignalName): void;
}

/** The command line's own function against a real API, with everything of its process in hand. */
export function startCli(
  api: Pick<Harness, 'base' | 'admin'>,
  argv: readonly string[],
  options: CliOptions = {},
): CliRun {
  const stdout = options.stdout ?? new Sink();
  const stderr = options.stderr ?? new Sink();
  const listeners = new Map<SignalName, Set<() => void>>();
  const stdin = typeof options.stdin === 'object' ? options.stdin : Readable.from([Buffer.from(options.stdin ?? '')]);
  const code = runCli(argv, {
    stdin: stdin as unknown as InputStream,
    stdout,
    stderr,
    environment: { ARC_URL: api.base, ARC_API_KEY: api.admin, ...options.environment },
    cwd: options.cwd ?? '/',
    home: '/nonexistent',
    uid: 0,
    version: '0.1.0',
    clock: options.clock ?? realClock,
    onSignal: (name, listener) => {
      const held = listeners.get(name) ?? new Set();
      listeners.set(name, held.add(listener));
      return () => held.delete(listener);
    },
    up: async (given) => given.length,
  });
  return {
    code,
    stdout,
    stderr,
    signal: (name) => {
      for (const listener of listeners.get(name) ?? []) listener();
    },
  };
}

export async function cli(
  api: Pick<Harness, 'base' | 'admin'>,
  argv: readonly string[],
  options: CliOptions = {},
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const run = startCli(api, argv, options);
  const code = await run.code;
  return { code, out: run.stdout.text, err: run.stderr.text };
}

export const ENTRY = fileURLToPath(new URL('../../../src/main/arc.ts', import.meta.url));
const DRIVER = fileURLToPath(new URL('./in-terminal.py', import.meta.url));

export interface PtyRun extends AsyncDisposable {
  /** All that was shown, as latin-1. */
  readonly shown: () => string;
  readonly ended: Promise<{ readonly code: number; readonly restored: boolean }>;
  send(text: string): void;
  resize(cols: number, rows: number): void;
  signal(number: number): void;
  hangUp(): void;
}

/** The real entry in a process of its own under a real terminal. */
export function startPty(api: Pick<Harness, 'base' | 'admin'>, argv: readonly string[]): PtyRun {
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(
    'python3',
    [DRIVER, process.execPath, '--disable-warning=ExperimentalWarning', ENTRY, ...argv],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ARC_URL: api.base, ARC_API_KEY: api.admin, TERM: 'xterm-test' },
    },
  );
  let shown = '';
  let held = '';
  const ended = Promise.withResolvers<{ code: number; restored: boolean }>();
  child.stdout.on('data', (chunk: Buffer) => {
    held += chunk.toString('utf8');
    const lines = held.split('\n');
    held = lines.pop() ?? '';
    for (const line of lines) {
      const said = JSON.parse(line) as { out?: string; code?: number; restored?: boolean };
      if (said.out !== undefined) shown += said.out;
      if (said.code !== undefined) ended.resolve({ code: said.code, restored: said.restored === true });
    }
  });
  child.on('exit', (code) => ended.reject(new Error(`the terminal ended with ${code}`)));
  ended.promise.catch(() => {});
  const order = (value: unknown) => void child.stdin.write(`${JSON.stringify(value)}\n`);
  return {
    shown: () => shown,
    ended: ended.promise,
    send: (text) => order({ send: text }),
    resize: (cols, rows) => order({ resize: [cols, rows] }),
    signal: (number) => order({ signal: number }),
    hangUp: () => order({ hangup: true }),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) {
        order({ signal: 9 });
        await ended.promise.catch(() => {});
      }
    },
  };
}
