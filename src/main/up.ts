import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { ArcError } from '../contract/errors.ts';
import { realClock, realRng } from '../kit/real.ts';
import { adminKey } from './admin-key.ts';
import { type Announce, announcer } from './announce.ts';
import { type Config, parseConfig } from './config/index.ts';
import { parseCrashPoint } from './crash-at.ts';
import { lockDataDir } from './data-lock.ts';
import { startDetached } from './detach.ts';
import { prepareHost } from './host-setup.ts';
import { leaveNothing } from './leave-nothing.ts';
import { pinoLogger } from './pino-logger.ts';
import { startPlatform } from './platform.ts';
import { processStart, removeServerFile, runningServer, writeServerFile } from './server-file.ts';
import { version } from './version.ts';

export function readConfig(argv: readonly string[]): Config {
  return parseConfig({
    argv,
    env: process.env,
    cwd: process.cwd(),
    uid: process.getuid?.() ?? -1,
    home: homedir(),
    readFile: (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined),
  });
}

/** `arc up`: sets up whatever is missing, says what it does, starts, and stays until it is told to end. */
export async function up(argv: readonly string[]): Promise<number> {
  const began = realClock.monotonic();
  const config = readConfig(argv);
  const announce = announcer(config.json, (line) => process.stdout.write(`${line}\n`));
  refuseWhereOneRuns(config.dataDir);
  if (config.detach) {
    const inner = [...argv.filter((flag) => !/^--(detach|json)(=|$)/.test(flag)), '--json'];
    const facts = await startDetached({
      ...{ dataDir: config.dataDir, argv: ['up', ...inner], clock: realClock },
      // The variable would detach it a second time.
      env: { ...process.env, ARC_DETACH: 'false' },
      onStep: (line) => announce.step(line),
    });
    announce.ready({ ...facts, tookMs: realClock.monotonic() - began });
    return 0;
  }
  return await serve(config, announce, began);
}

function refuseWhereOneRuns(dataDir: string): void {
  const running = runningServer(dataDir);
  if (running === undefined) return;
  throw new ArcError(
    'data_dir_locked',
    `Arc is running already in ${dataDir} (process ${running.pid}): ${running.api}`,
    {
      hint: 'Use it, stop it with `arc down`, or start another with another `--data-dir`.',
    },
  );
}

async function serve(config: Config, announce: Announce, began: number): Promise<number> {
  makeDataDir(config.dataDir);
  using _lock = lockDataDir(config.dataDir);
  const plain = isPlainUser();
  if (plain) announce.step(PLAIN);
  else {
    const say = (line: string) => announce.step(line);
    await prepareHost({ dataDir: config.dataDir, mayInstall: config.setup, say });
  }
  const logger = pinoLogger(config.logLevel);
  const ended = endOfService();
  const secret = adminKey(config.dataDir, realRng);
  const platform = await startPlatform({
    config,
    logger,
    secret,
    plain,
    crashAt: parseCrashPoint(process.env.ARC_TEST_CRASH_AT),
    say: (line) => announce.step(line),
  }).catch(async (error) => {
    // A start that failed, such as on a port that is taken, leaves nothing behind but what ran before it.
    await leaveNothing(config.dataDir).catch((cause) => logger.warn({ error: cause }, 'not all could be taken away'));
    throw error;
  });
  try {
    const { api, edge } = platform;
    const { pid } = process;
    const facts = { api, edge, domain: config.domain, pid };
    writeServerFile(config.dataDir, { ...facts, pidStart: processStart(pid) ?? 0, version: version() });
    announce.ready({
      ...{ ...facts, dataDir: config.dataDir, tookMs: realClock.monotonic() - began },
      sandboxes: await platform.runningCount(),
      ...(plain ? { plain } : {}),
    });
    // Else only an orderly end writes down what was compiled, and the start after a kill is the one that is in a hurry.
    flushCompileCache();
    await ended;
    announce.step('stopping; sandboxes stay');
  } finally {
    await platform[Symbol.asyncDispose]();
    removeServerFile(config.dataDir, process.pid);
  }
  return 0;
}

const PLAIN =
  'as a plain user: Python and JavaScript at the level wasm, without ports; root would add images, ports and the levels jail, container, gvisor and microvm';

/** Namespaces, mounts and veths of others' making need root; engines of WebAssembly do not. */
function isPlainUser(): boolean {
  return process.getuid?.() !== 0;
}

/** Others may pass through it to what is theirs, and read nothing else. */
function makeDataDir(dataDir: string): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o711 });
  chmodSync(dataDir, 0o711);
}

function endOfService(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
}
