import { ArcError } from '../contract/errors.ts';
import { realClock, realRng } from '../kit/real.ts';
import { client } from '../sdk/index.ts';
import { adminKey } from './admin-key.ts';
import { helperHolds, leaveNothing, removeHeld } from './leave-nothing.ts';
import { processStart, runningServer, type ServerFile } from './server-file.ts';
import { readConfig } from './up.ts';

/** Longest wait for the server's end, ms; then it is killed, which loses nothing. */
const END_MS_MAX = 20_000;
const POLL_MS = 20;
const REMOVE_PARALLEL = 8;

/**
 * `arc down`: stops the server and leaves the sandboxes to the helper. `--all`: removes every sandbox first, and the
 * helper goes as well. The helper goes too when no sandbox is left to look after.
 */
export async function down(argv: readonly string[]): Promise<number> {
  const all = argv.includes('--all');
  const config = readConfig(argv.filter((flag) => flag !== '--all'));
  const write = (facts: Record<string, unknown>, line: string) =>
    process.stdout.write(`${config.json ? JSON.stringify(facts) : line}\n`);
  const server = runningServer(config.dataDir);
  if (server === undefined && all && (await helperHolds(config.dataDir)) > 0) {
    throw new ArcError('not_connected', 'sandboxes are left, and no server runs that could remove them', {
      hint: 'Start it with `arc up --detach`, then `arc down --all`.',
    });
  }
  const removed = server !== undefined && all ? await removeAll(server, config.dataDir) : 0;
  if (server !== undefined) await stopServer(server);
  if (server !== undefined && all) await removeHeld(config.dataDir);
  const left = await leaveNothing(config.dataDir);
  write(
    { event: 'down', stopped: server !== undefined, removed, sandboxes: left },
    `${server === undefined ? 'no server was running' : 'stopped'}${removed > 0 ? `, ${removed} sandboxes removed` : ''}; ${left} sandboxes stay`,
  );
  return 0;
}

async function removeAll(server: ServerFile, dataDir: string): Promise<number> {
  const arc = client({ url: server.api, key: adminKey(dataDir, realRng) });
  let removed = 0;
  // Again until none is found: what was being made when the list was read is in the next one.
  for (;;) {
    const ids: string[] = [];
    for await (const sandbox of arc.sandboxes.list()) {
      if (sandbox.state !== 'removed') ids.push(sandbox.id);
    }
    if (ids.length === 0) return removed;
    const work = [...ids];
    await Promise.all(
      Array.from({ length: REMOVE_PARALLEL }, async () => {
        for (let id = work.pop(); id !== undefined; id = work.pop()) await arc.sandboxes.remove(id);
      }),
    );
    removed += ids.length;
  }
}

async function stopServer(server: ServerFile): Promise<void> {
  const runs = () => processStart(server.pid) === server.pidStart;
  const deadline = realClock.monotonic() + END_MS_MAX;
  process.kill(server.pid, 'SIGTERM');
  while (runs()) {
    if (realClock.monotonic() > deadline) process.kill(server.pid, 'SIGKILL');
    await realClock.sleep(POLL_MS);
  }
}
