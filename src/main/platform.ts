import { hostname } from 'node:os';
import { join } from 'node:path';
import { ArcError } from '../contract/errors.ts';
import { signAccess } from '../domain/access-token.ts';
import { createEdge, type EdgeOptions } from '../edge/edge.ts';
import { EdgeTally } from '../edge/figures.ts';
import { createLocalEngine, createPlainEngine, type LocalNode, type Programs } from '../engines/local/index.ts';
import { createBuiltins } from '../host/builtins/create-builtins.ts';
import { builtinTemplates } from '../host/builtins/templates.ts';
import { buildHelper, buildJailKit } from '../host/helper/build.ts';
import type { NodeHelper } from '../host/helper/port.ts';
import { superviseHelper } from '../host/helper/supervise.ts';
import { createImages } from '../host/images/create-images.ts';
import type { Images } from '../host/images.ts';
import { JournalLogs } from '../host/journal/logs.ts';
import { finder } from '../host/setup/index.ts';
import { HOST_REGISTRY } from '../host/uids/registry.ts';
import { realBootClock } from '../kit/boot.ts';
import { CleanupStack } from '../kit/cleanup.ts';
import type { Logger } from '../kit/logger.ts';
import { afterThisTurn, realClock, realRng } from '../kit/real.ts';
import { runProgram } from '../kit/run.ts';
import { type ControlPlane, createControlPlane } from '../server/core/index.ts';
import { type ApiConfig, createApi, sandboxUrls } from '../server/http/index.ts';
import { SqliteStore } from '../store/sqlite.ts';
import type { Store } from '../store/store.ts';
import type { Config, VerifyWhen } from './config/index.ts';
import { builtConsole } from './console/build.ts';
import { consoleFiles } from './console/files.ts';
import { type CrashPoint, crashable } from './crash-at.ts';
import { dataDirIsLocked } from './data-lock.ts';
import { edgeKey } from './edge-key.ts';
import { edgeSettings, urlSettings } from './edge-settings.ts';
import { searchPath } from './host-setup.ts';
import { planeOptions } from './plane-options.ts';
import { secretsKey } from './secrets-key.ts';
import { sendMessage } from './send-message.ts';
import { tracesOf } from './traces.ts';
import { version } from './version.ts';

/** All of Arc in one process, put together: the one place that knows every implementation. */
export interface Platform extends AsyncDisposable {
  readonly api: string;
  readonly edge: string;
  runningCount(): Promise<number>;
}

export interface PlatformOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** The admin's key. */
  readonly secret: string;
  readonly say: (line: string) => void;
  /** Whoever runs this is not root. */
  readonly plain: boolean;
  /** Set by the crash tests only. */
  readonly crashAt: CrashPoint | undefined;
}

const ROOT = join(import.meta.dirname, '../..');
const RECLAIM_WAIT_MS = 1_000;
const clock = realClock;
const rng = realRng;

export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { config, logger, secret, say, crashAt } = options;
  const undo = new CleanupStack();
  try {
    const { dataDir } = config;
    let helperPid = (): number | undefined => undefined;
    const trap = <T extends object>(name: string, port: T) => crashable(name, port, crashAt, () => helperPid());
    const store = trap('store', storeIn(dataDir));
    await undo.add('store', () => store.close());
    const supervised = await helperOf(options);
    helperPid = () => supervised?.pid;
    const helper = supervised && trap('helper', supervised);
    await undo.add('helper connection', async () => await helper?.[Symbol.asyncDispose]());

    const images = imagesOf(dataDir, logger, helper);
    const ports: number[] = [];
    const node = await nodeOf(config, logger, helper, images, () => ports);
    await undo.add('engine', async () => await node[Symbol.asyncDispose]());

    const accessKey = edgeKey(config.dataDir, rng);
    const edge = createEdge({
      ...{ domain: config.domain, clock, logger, ...sleepersOf(() => plane) },
      ...{ ...edgeSettings(config, logger), accessKey, onAnswer: (answer) => traffic.note(answer) },
    });
    const traffic = new EdgeTally(() => edge.held);
    const plane: ControlPlane = createControlPlane({
      ...{ store, engine: trap('engine', node.engine), router: trap('router', edge.router) },
      ...{ images, clock, rng, logger, boot: realBootClock() },
      connections: (id) => edge.connections(id),
      ...{ send: sendMessage, node: hostname() },
      builtins: builtinTemplates(),
      secretsKey: secretsKey(dataDir, rng),
      options: planeOptions(config),
    });
    await plane.keys.ensureAdmin(secret);

    let ready = false;
    const urls = sandboxUrls(urlSettings(config, edge));
    const pages = consoleFiles(() => builtConsole(dataDir));
    let apiPort = config.api.port;
    const api = createApi({
      ...{ ...plane.services, clock, rng, logger, urls, edge: traffic },
      ...(await tracesOf(config, { logger, vitals: plane.services.vitals, traffic, undo })),
      signAccess: (claim) => signAccess(accessKey, claim),
      ...{ pages, config: apiConfig(config, () => apiPort) },
      readiness: () => (ready ? { ready } : { ready, detail: 'finding what already runs' }),
    });
    // Both ports first: a port that is taken is said before anything is made, and the API answers while the node opens.
    await edge.listen();
    await undo.add('edge', () => edge.close());
    const listening = await api.listen();
    apiPort = listening.port;
    ports.push(apiPort, Number(new URL(urls.edge()).port) || 80);
    await undo.add('api', () => api.close());
    await node.opened;
    await undo.add('control plane', () => plane.close());
    await plane.start();
    // What still runs is routed again before anybody is told `ready`; a machine that is slow about it is not waited for.
    await Promise.race([plane.reclaimed(), clock.sleep(RECLAIM_WAIT_MS)]);
    ready = true;
    if (crashAt) {
      await plane.reclaimed();
      crashAt.armed = true;
    }
    // Trying each level starts real sandboxes: nobody who is waiting for `ready` waits for that.
    pages.file('index.html').catch((error) => logger.warn({ error }, 'there is no console'));
    void tryLevels(node, config.verify, say, logger);
    return {
      api: urlOf(listening.host, listening.port),
      edge: urls.edge(),
      runningCount: async () => (await node.engine.list()).filter(({ phase }) => phase === 'running').length,
      [Symbol.asyncDispose]: () => undo.run(),
    };
  } catch (error) {
    await undo.run().catch((cause) => logger.error({ error: cause }, 'not all could be undone after a failed start'));
    throw error;
  }
}

/** Its own thread waits for the disk, so that no commit holds up the event loop. */
function storeIn(dataDir: string): Store {
  return new SqliteStore({ path: join(dataDir, 'arc.db'), together: afterThisTurn, thread: true });
}

function localNode(
  config: Config,
  logger: Logger,
  helper: NodeHelper,
  images: Images,
  arcPorts: () => readonly number[],
) {
  const { dataDir } = config;
  return createLocalEngine({
    ...{ dataDir, helper, images, clock, rng, log: logger, run: runProgram, arch: process.arch },
    node: hostname(),
    networkRange: config.networkRange.text,
    networkOpen: config.networkOpen,
    networkDns: config.networkDns.map(({ host, port }) => ({ host, port })),
    uidRegistry: HOST_REGISTRY,
    served: dataDirIsLocked,
    programs: programs(),
    arcPorts,
    wasm: { node: process.execPath, project: ROOT },
    logs: new JournalLogs(join(dataDir, 'sandboxes'), clock),
  });
}

async function helperOf({ config, logger, plain }: Pick<PlatformOptions, 'config' | 'logger' | 'plain'>) {
  if (plain) return undefined;
  return await superviseHelper({ binary: await buildHelper(), dataDir: config.dataDir, clock, logger });
}

async function nodeOf(
  config: Config,
  logger: Logger,
  helper: NodeHelper | undefined,
  images: Images,
  arcPorts: () => readonly number[],
) {
  if (helper === undefined) return await plainNode(config, logger, images);
  return await localNode(config, logger, helper, images, arcPorts);
}

/** This machine for whoever is not root on it. */
function plainNode({ dataDir }: Config, logger: Logger, images: Images) {
  const bwrap = finder(searchPath()).find('bwrap');
  return createPlainEngine({
    ...{ dataDir, images, clock, rng, log: logger, run: runProgram, arch: process.arch },
    ...(bwrap === undefined ? {} : { bwrap }),
    node: hostname(),
    wasm: { node: process.execPath, project: ROOT },
    logs: new JournalLogs(join(dataDir, 'sandboxes'), clock),
  });
}

function apiConfig(config: Config, port: () => number): ApiConfig {
  const { api, apiHosts, consoleUrl, embedders } = config;
  return {
    ...{ host: api.host, port: api.port, version: version(), embedders },
    hostNames: [...apiHosts, ...(consoleUrl === undefined ? [] : [new URL(consoleUrl).hostname])],
    publicUrl: () => consoleUrl ?? urlOf(api.host, port()),
    plainHttpBeyondLoopback: config.insecureBind,
    rates: { perOwner: config.ratePerOwner, perAddress: config.ratePerAddress },
  };
}

function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** What the edge says to the control plane, which is made after it. */
function sleepersOf(plane: () => ControlPlane): Pick<EdgeOptions, 'onActivity' | 'waker'> {
  return { onActivity: (id) => plane().used(id), waker: { wake: (id) => plane().waker.wake(id) } };
}

function imagesOf(dataDir: string, logger: Logger, helper: NodeHelper | undefined): Images {
  const builtins = createBuiltins({
    ...{ dataDir, logger, clock, node: process.execPath },
    whoami: { source: join(ROOT, 'native/whoami.c'), binary: join(ROOT, 'native/build/whoami') },
    notes: join(ROOT, 'examples/vulnerable-notes'),
  });
  return createImages({ dataDir, logger, clock, builtins, ...(helper === undefined ? {} : { helper }) });
}

type LevelTeller = {
  nodes(): Promise<readonly { levels: readonly { level: string; available: boolean; runtime?: string }[] }[]>;
};

/** What this node gives, and then what an adversary could do in it. */
async function tryLevels(
  node: Pick<LocalNode, 'engine'> & { verifier?: LocalNode['verifier'] },
  when: VerifyWhen,
  say: (line: string) => void,
  logger: Logger,
): Promise<void> {
  try {
    await tellLevels(node.engine, say);
    await (when === 'start' ? node.verifier?.atStart() : node.verifier?.recall());
  } catch (error) {
    logger.warn({ error }, 'the levels of this node are not known yet');
  }
}

async function tellLevels(engine: LevelTeller, say: (line: string) => void): Promise<void> {
  const levels = (await engine.nodes()).flatMap((node) => node.levels);
  const given = levels.filter(({ available }) => available).map(({ level, runtime }) => `${level} (${runtime})`);
  say(`isolation levels here: ${given.join(', ') || 'none'}`);
}

/** What virtual machines need, where all of it is here. */
function machinePrograms(find: (name: string) => string | undefined): Pick<Programs, 'machines'> {
  const [qemu, bwrap, mkfsErofs, unshare, mount] = [
    'qemu-system-x86_64',
    'bwrap',
    'mkfs.erofs',
    'unshare',
    'mount',
  ].map(find);
  const [program, jailer, socat, setpriv] = ['firecracker', 'jailer', 'socat', 'setpriv'].map(find);
  if (!(mkfsErofs && unshare && mount)) return {};
  return {
    machines: {
      ...{ mkfsErofs, unshare, mount },
      ...(qemu && bwrap && { qemu: { program: qemu, bwrap } }),
      ...(program && {
        firecracker: { program, ...(jailer && { jailer }), ...(socat && { socat }), ...(setpriv && { setpriv }) },
      }),
    },
  };
}

/** Absolute paths of the programs that the engine calls. */
function programs(): Programs {
  const { find } = finder(searchPath());
  const needed = (name: string): string => {
    const path = find(name);
    if (path === undefined) throw new ArcError('host_unfit', `${name} is not on this machine`);
    return path;
  };
  const optional = (name: 'crun' | 'runc' | 'runsc' | 'bwrap' | 'ip') => {
    const path = find(name);
    return path === undefined ? {} : { [name]: path };
  };
  return {
    ...{ nft: needed('nft'), mkfs: needed('mkfs.ext4'), nsenter: needed('nsenter'), cp: needed('cp') },
    ...optional('crun'),
    ...optional('runc'),
    ...optional('runsc'),
    ...optional('bwrap'),
    ...optional('ip'),
    ...(find('kata-runtime') && { kata: needed('kata-runtime') }),
    jailKit: buildJailKit,
    ...machinePrograms(find),
  };
}
