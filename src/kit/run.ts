import { spawn } from 'node:child_process';

/** Starts a program by its argv, never through a shell, and collects what it prints within bounds. */
export type Run = (argv: readonly string[], options: RunOptions) => Promise<RunResult>;

export interface RunOptions {
  /** All of its environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** What is beyond this is thrown away, for stdout and stderr each. Default: 1 MiB. */
  readonly maxOutputBytes?: number;
  readonly stdin?: string;
  readonly signal?: AbortSignal;
}

export interface RunResult {
  /** Null when a signal ended it, the time limit's included, or when it could not be started. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Set when the program could not be started at all, such as ENOENT. */
  readonly notStarted?: string;
}

const DEFAULT_MAX_OUTPUT_BYTES = 1024 ** 2;

export const runProgram: Run = (argv, options) =>
  new Promise((resolve) => {
    const [file = '', ...args] = argv;
    const limit = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
    const child = spawn(file, args, {
      env: { ...options.env },
      stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const stdout = collect(child.stdout, limit);
    const stderr = collect(child.stderr, limit);
    let notStarted: string | undefined;
    child.on('error', (error) => {
      notStarted = error.message;
      // After a failed spawn there is no `close`; after an abort there is, and settling twice does nothing.
      if (child.pid !== undefined) return;
      // Node ends its own timer of the time limit at this event only, and would keep the process alive until then.
      child.emit('exit', null, null);
      resolve({ code: null, signal: null, stdout: '', stderr: '', notStarted });
    });
    child.on('close', (code, signal) => resolve({ code, signal, stdout: stdout(), stderr: stderr() }));
    if (options.stdin !== undefined) {
      child.stdin?.on('error', () => {}); // it may end without reading; its exit code says so
      child.stdin?.end(options.stdin);
    }
  });

function collect(stream: NodeJS.ReadableStream | null, limit: number): () => string {
  const chunks: Buffer[] = [];
  let held = 0;
  stream?.on('data', (chunk: Buffer) => {
    if (held < limit) chunks.push(chunk.subarray(0, limit - held));
    held += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
