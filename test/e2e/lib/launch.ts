import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, client } from '../../../src/sdk/index.ts';

/**
 * A real Arc: the launcher, in a data folder, on ports and an address range of its own, for end-to-end tests and for the
 * bench. Disposing it removes every sandbox, the server, the helper and the folder.
 */
export interface LaunchedArc extends AsyncDisposable {
  readonly dataDir: string;
  readonly api: string;
  readonly edge: string;
  readonly key: string;
  readonly client: Client;
  /** Pid of the server process. */
  readonly pid: number;
  /** ms from the start of the launcher to `ready`. */
  readonly readyMs: number;
  /** Everything the server printed. */
  readonly output: () => string;
  /** SIGKILL to the server, and wait for its end; the helper and the sandboxes go on. */
  kill(): Promise<void>;
  /** Resolves when the server process has ended by itself. */
  ended(): Promise<void>;
  /** `arc up` again in the same data folder, at the same addresses. */
  again(changed?: Pick<LaunchOptions, 'env'>): Promise<LaunchedArc>;
  /** The command line, with this server's data folder. */
  cli(...argv: readonly string[]): Promise<CliResult>;
}

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface LaunchOptions {
  readonly dataDir?: string;
  /** `HOST:PORT` of an earlier start, for the same addresses again. */
  readonly api?: string;
  readonly edge?: string;
  /** Second octet of 10.X.0.0/16; tests that run at the same time use different ones. */
  readonly octet?: number;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** In the place of this project's launcher: another copy of it, or by whom it is run. */
  readonly program?: readonly string[];
}

export const LAUNCHER = join(dirname(fileURLToPath(import.meta.url)), '../../../arc');
const ANY = '127.0.0.1:0';
const READY_TIMEOUT_MS = 180_000;

export async function launchArc(options: LaunchOptions = {}): Promise<LaunchedArc> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'arc-e2e-')));
  const began = performance.now();
  const argv = ['up', '--data-dir', dataDir, '--json', '--api', options.api ?? ANY, '--edge', options.edge ?? ANY];
  const range = `10.${options.octet ?? 201}.0.0/16`;
  // Its sandboxes would come and go beside those that a test counts or a bench times.
  const env = { ...process.env, ARC_NETWORK_RANGE: range, ARC_VERIFY: 'asked', ...options.env };
  const program = options.program ?? [LAUNCHER];
  const [file = LAUNCHER, ...before] = program;
  const child = spawn(file, [...before, ...argv, ...(options.flags ?? [])], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const ready = await readyLine(child, (text) => {
    output += text;
  }).catch((cause) => {
    throw new Error(`arc up did not get ready:\n${output}`, { cause });
  });
  const readyMs = performance.now() - began;
  const key = (await readFile(join(dataDir, 'admin.key'), 'utf8')).trim();
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    process.kill(ready.pid, 'SIGKILL');
    await ended;
  };
  return {
    dataDir,
    api: ready.api,
    edge: ready.edge,
    key,
    client: client({ url: ready.api, key }),
    pid: ready.pid,
    readyMs,
    output: () => output,
    kill,
    ended: async () => {
      if (child.exitCode === null && child.signalCode === null) await new Promise((done) => child.once('exit', done));
    },
    again: (changed = {}) =>
      launchArc({ ...options, ...changed, dataDir, api: new URL(ready.api).host, edge: new URL(ready.edge).host }),
    cli: (...argvOfCommand) =>
      runCommand([...argvOfCommand], { ...options.env, ARC_DATA_DIR: dataDir }, undefined, program),
    async [Symbol.asyncDispose]() {
      const down = await runCommand(['down', '--all', '--data-dir', dataDir], { ...options.env }, undefined, program);
      await kill();
      if (down.code !== 0) throw new Error(`arc down --all failed: ${down.stderr}${down.stdout}`);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

interface Ready {
  readonly event: 'ready';
  readonly api: string;
  readonly edge: string;
  readonly pid: number;
}

/** `arc up --json` prints one JSON object a line; the one with `"event":"ready"` has the addresses. */
function readyLine(child: ChildProcess, onText: (text: string) => void): Promise<Ready> {
  return new Promise((resolve, reject) => {
    let held = '';
    const timer = setTimeout(() => reject(new Error(`not ready within ${READY_TIMEOUT_MS} ms`)), READY_TIMEOUT_MS);
    child.stdout?.on('data', (chunk: Buffer) => {
      onText(chunk.toString());
      held += chunk.toString();
      const lines = held.split('\n');
      held = lines.pop() ?? '';
      for (const line of lines) {
        const value: unknown = line.startsWith('{') ? JSON.parse(line) : undefined;
        if (isReady(value)) {
          clearTimeout(timer);
          resolve(value);
        }
      }
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`it ended with ${code}`));
    });
  });
}

function isReady(value: unknown): value is Ready {
  return typeof value === 'object' && value !== null && 'event' in value && value.event === 'ready';
}

export function runCommand(
  argv: readonly string[],
  env: Record<string, string>,
  stdin?: string,
  [file = LAUNCHER, ...before]: readonly string[] = [],
): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, [...before, ...argv], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
    child.stdin.on('error', () => {});
    child.stdin.end(stdin ?? '');
  });
}
