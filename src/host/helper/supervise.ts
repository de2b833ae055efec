import { spawn } from 'node:child_process';
import { open, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import { groupPaths, type Hierarchies, hierarchiesHere, hierarchyArgs } from '../cgroups/hierarchies.ts';
import { cgroupRoot } from '../cgroups/root.ts';
import { HelperClient } from './client.ts';

/** Exit code of a helper that found another one holding the lock. */
const EXIT_RUNNING = 75;
/** Of the helper's own few words; begun anew beyond that. */
const LOG_BYTES_MAX = 1_048_576;
/** Finding thousands of sandboxes again takes a while; until then the socket is not there. */
const START_MS_MAX = 30_000;
const LOOK_MS = 5;
/** Longest path of a unix socket. */
const SOCKET_PATH_BYTES_MAX = 107;
const COMPLAINT_BYTES_MAX = 2_048;

export interface SuperviseOptions {
  readonly binary: string;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: those of this machine. */
  readonly cgroups?: Hierarchies;
}

/** The helper for this data folder: found running, or started; and started again, at once, whenever it is lost. */
export async function superviseHelper(options: SuperviseOptions): Promise<HelperClient> {
  const socket = join(options.dataDir, 'helper.sock');
  if (Buffer.byteLength(socket) > SOCKET_PATH_BYTES_MAX) {
    throw new ArcError('invalid_config', `the data folder's path is too long for a socket in it: ${options.dataDir}`);
  }
  const cgroups = options.cgroups ?? hierarchiesHere();
  const ensure = async () => {
    if (!(await answers(socket))) await startHelper(options, cgroups, socket);
  };
  const paths = (id: string) => groupPaths(cgroups, cgroupRoot(options.dataDir), id);
  const client = new HelperClient({ socket, clock: options.clock, logger: options.logger, ensure, paths });
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw error;
  }
}

/** Does anybody listen there? */
export function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

/** In a session of its own it outlives this process. Resolves when it answers. */
async function startHelper(options: SuperviseOptions, cgroups: Hierarchies, socket: string): Promise<void> {
  const logPath = join(options.dataDir, 'helper.log');
  const large = await stat(logPath).then(
    ({ size }) => size > LOG_BYTES_MAX,
    () => false,
  );
  const log = await open(logPath, large ? 'w' : 'a', 0o600);
  const { size: before } = await log.stat();
  const lock = join(options.dataDir, 'helper.lock');
  const argv = [options.dataDir, socket, lock, cgroupRoot(options.dataDir), ...hierarchyArgs(cgroups)];
  const { clock } = options;
  let ended: string | number | undefined;
  const child = spawn(options.binary, argv, { stdio: ['ignore', 'ignore', log.fd], env: {}, cwd: '/', detached: true });
  child.once('error', (error) => {
    ended = error.message;
  });
  child.once('exit', (code, signal) => {
    ended = code ?? signal ?? 'unknown';
  });
  child.unref();
  await log.close();
  for (const until = clock.monotonic() + START_MS_MAX; !(await answers(socket)); await clock.sleep(LOOK_MS)) {
    if (ended === EXIT_RUNNING) return;
    if (ended !== undefined || clock.monotonic() > until) {
      const why = await said(logPath, before);
      throw new ArcError('host_unfit', `the node helper could not start (${ended ?? 'no answer'}): ${why}`);
    }
  }
}

async function said(path: string, from: number): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(COMPLAINT_BYTES_MAX), 0, COMPLAINT_BYTES_MAX, from);
    return buffer.toString('utf8', 0, bytesRead).trim() || 'it said nothing';
  } finally {
    await file.close();
  }
}
