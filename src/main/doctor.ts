import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ArcError } from '../contract/errors.ts';
import { kitFolder } from '../engines/local/machines.ts';
import {
  type Facts,
  formatDoctor,
  type HelperFacts,
  type Known,
  realOrphans,
  realProbe,
  runDoctor,
} from '../host/doctor/index.ts';
import { helperIsBuilt } from '../host/helper/build.ts';
import { findKit } from '../host/kit/kit.ts';
import { claimedRanges } from '../host/network/claim-range.ts';
import { instanceTag } from '../host/network/plan.ts';
import { HOST_REGISTRY } from '../host/uids/registry.ts';
import { realClock, realRng } from '../kit/real.ts';
import { runProgram } from '../kit/run.ts';
import { client } from '../sdk/index.ts';
import { SqliteStore } from '../store/sqlite.ts';
import { adminKey } from './admin-key.ts';
import type { Config } from './config/index.ts';
import { searchPath } from './host-setup.ts';
import { reachHelper } from './reach-helper.ts';
import { runningServer } from './server-file.ts';
import { readConfig } from './up.ts';
import { version } from './version.ts';

/** Rows read at once when the store is asked what belongs to whom. */
const PAGE = 1000;

/** `arc doctor [--reap]`: checks this machine, says what each missing thing costs, lists and with `--reap` removes orphans. */
export async function doctor(argv: readonly string[]): Promise<number> {
  const reap = argv.includes('--reap');
  const config = readConfig(argv.filter((flag) => flag !== '--reap'));
  const { dataDir } = config;
  const tag = instanceTag(dataDir);
  const probe = realProbe({ clock: realClock, path: searchPath(), uid: process.getuid?.() ?? -1 });
  const report = await runDoctor({
    probe,
    facts: factsOf(config, tag),
    orphans: {
      source: realOrphans({
        ...{ probe, run: runProgram, clock: realClock, dataDir, tag },
        claims: () => claimedRanges(HOST_REGISTRY),
      }),
      known: () => knownThings(dataDir),
      reap,
    },
  });
  process.stdout.write(config.json ? `${JSON.stringify(report)}\n` : formatDoctor(report));
  return report.exitCode;
}

function factsOf(config: Config, tag: string): Facts {
  const { dataDir } = config;
  return {
    ...{ dataDir, tag, api: config.api, edge: config.edge, maxSandboxes: config.maxSandboxes },
    networkRange: config.networkRange.text,
    acme: config.acmeDirectory !== undefined,
    server: async () => {
      const server = runningServer(dataDir);
      if (server === undefined) return 'none';
      return await fetch(`${server.api}/healthz`).then(
        () => 'running' as const,
        () => 'silent' as const,
      );
    },
    serverPid: () => runningServer(dataDir)?.pid,
    helper: () => helperFacts(dataDir),
    kit: async () => {
      const dir = kitFolder(dataDir);
      const kit = await findKit(dir);
      if (kit !== undefined) return { kernel: kit.version };
      return existsSync(join(dir, 'kit.json')) ? 'of another version' : 'none';
    },
  };
}

async function helperFacts(dataDir: string): Promise<HelperFacts> {
  const built = helperIsBuilt();
  const expected = version();
  try {
    const helper = await reachHelper(dataDir);
    if (helper === undefined) return { built, version: undefined, expected };
    await helper[Symbol.asyncDispose]();
    // The handshake refuses another protocol; one that answers is of this version.
    return { built, version: expected, expected };
  } catch (error) {
    if (error instanceof ArcError && error.code === 'helper_protocol')
      return { built, version: error.message, expected };
    return { built, version: false, expected };
  }
}

/** What belongs to somebody: the store's rows and the helper's list. With a server running only it holds the store. */
async function knownThings(dataDir: string): Promise<Known | undefined> {
  const server = runningServer(dataDir);
  const helper = await reachHelper(dataDir).catch(() => undefined);
  try {
    const held = helper === undefined ? [] : await helper.list();
    const rows = server === undefined ? await storedIds(dataDir) : await servedIds(server.api, dataDir);
    if (rows === undefined) return undefined;
    // What the helper holds without a row is an orphan only while no server is there to remove it by itself.
    const living = new Set(server === undefined ? rows.living : [...rows.living, ...held.map(({ id }) => id)]);
    return {
      sandboxes: living,
      slots: new Set(held.filter(({ id }) => living.has(id)).map(({ slot }) => slot)),
      past: new Set(rows.past),
      helperPid: helper?.pid,
      serverRuns: server !== undefined,
    };
  } finally {
    await helper?.[Symbol.asyncDispose]();
  }
}

interface Ids {
  readonly living: readonly string[];
  readonly past: readonly string[];
}

async function servedIds(api: string, dataDir: string): Promise<Ids | undefined> {
  const ids: { living: string[]; past: string[] } = { living: [], past: [] };
  try {
    const arc = client({ url: api, key: adminKey(dataDir, realRng) });
    for await (const { id, state } of arc.sandboxes.list()) (state === 'removed' ? ids.past : ids.living).push(id);
    return ids;
  } catch {
    return undefined;
  }
}

async function storedIds(dataDir: string): Promise<Ids | undefined> {
  const ids: { living: string[]; past: string[] } = { living: [], past: [] };
  let store: SqliteStore;
  try {
    store = new SqliteStore({ path: join(dataDir, 'arc.db') });
  } catch {
    return undefined;
  }
  try {
    for (let after: string | undefined; ; ) {
      const docs = await store.list<{ state: string }>({ kind: 'sandbox', limit: PAGE, ...(after && { after }) });
      for (const { id, value } of docs) (value.state === 'removed' ? ids.past : ids.living).push(id);
      after = docs.at(-1)?.id;
      if (docs.length < PAGE) return ids;
    }
  } finally {
    await store.close();
  }
}
