import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ArcError, ERRORS, type Problem } from '../contract/errors.ts';
import type { Clock } from '../kit/clock.ts';
import type { ReadyFacts } from './announce.ts';

/** A log of the detached server larger than this is set aside at the next start; one older is kept. */
const LOG_BYTES_MAX = 16 * 1024 ** 2;
const POLL_MS = 10;
/** Packages may have to be fetched first. */
const READY_MS_MAX = 20 * 60_000;
const TOLD_LINES = 20;

/** Starts the server as a process of its own that outlives the terminal; resolves when it says it is ready. */
export async function startDetached(options: {
  readonly dataDir: string;
  readonly argv: readonly string[];
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onStep: (line: string) => void;
}): Promise<ReadyFacts> {
  const { dataDir, clock } = options;
  mkdirSync(dataDir, { recursive: true, mode: 0o711 });
  const path = join(dataDir, 'server.log');
  rotate(path);
  const log = openSync(path, 'a', 0o600);
  const from = statSync(path).size;
  const child = spawn(process.execPath, [...process.execArgv, join(import.meta.dirname, 'arc.ts'), ...options.argv], {
    detached: true,
    stdio: ['ignore', log, log],
    env: options.env,
  });
  closeSync(log);
  let ended: string | undefined;
  child.on('error', (error) => {
    ended = error.message;
  });
  child.on('exit', (code, signal) => {
    ended = signal === null ? `exit code ${code}` : `ended by ${signal}`;
  });
  const deadline = clock.monotonic() + READY_MS_MAX;
  for (let told = 0; ; ) {
    const over = ended;
    const lines = readFileSync(path).subarray(from).toString().split('\n').slice(0, -1);
    for (const line of lines.slice(told)) {
      const facts = said(line, options.onStep);
      if (facts) {
        child.unref();
        return facts;
      }
    }
    told = lines.length;
    if (over !== undefined) throw notReady(`the server did not get ready (${over})`, lines, path);
    if (clock.monotonic() > deadline) throw notReady('the server did not get ready in time', lines, path);
    await clock.sleep(POLL_MS);
  }
}

function said(line: string, onStep: (line: string) => void): ReadyFacts | undefined {
  if (!line.startsWith('{"event":')) return undefined;
  const value = JSON.parse(line) as { event: string; line?: string };
  if (value.event === 'step' && value.line !== undefined) onStep(value.line);
  return value.event === 'ready' ? (value as unknown as ReadyFacts) : undefined;
}

function notReady(what: string, lines: readonly string[], path: string): ArcError {
  const last = lines.at(-1) ?? '';
  // The server's own last word is more exact than what can be said from here.
  if (last.startsWith('{"error":')) {
    const { error } = JSON.parse(last) as { error: Problem };
    if (error.code in ERRORS) return new ArcError(error.code, error.detail, { hint: error.hint });
  }
  const shown = lines.slice(-TOLD_LINES).join('\n');
  return new ArcError('unavailable', `${what}:\n${shown}`, { hint: `The whole log is ${path}.` });
}

function rotate(path: string): void {
  try {
    if (statSync(path).size > LOG_BYTES_MAX) renameSync(path, `${path}.1`);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}
