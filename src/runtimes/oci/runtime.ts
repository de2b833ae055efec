import { chmod, chown, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { ArcError } from '../../contract/errors.ts';
import type { Exit, Limits } from '../../contract/spec.ts';
import type { Level } from '../../contract/states.ts';
import { clean } from '../../domain/missing-capability.ts';
import type {
  ExecInfo,
  ExecOrder,
  ExecStream,
  FileSession,
  LevelReport,
  ProcessInfo,
  RawStats,
  Target,
} from '../../engines/engine.ts';
import { readLayerUse } from '../../host/cgroups/layer-use.ts';
import { processList, readProc } from '../../host/cgroups/processes.ts';
import { keepIn, pushOut } from '../../host/cgroups/push-out.ts';
import { readPids, readUsage } from '../../host/cgroups/usage.ts';
import { writeLimits } from '../../host/cgroups/write-limits.ts';
import { type HelperEntry, RuntimeFailed } from '../../host/helper/port.ts';
import { nameServersOf } from '../../host/network/resolvers.ts';
import { readTraffic } from '../../host/network/traffic.ts';
import { eachLimited } from '../../kit/limit.ts';
import { KeyedMutex } from '../../kit/mutex.ts';
import { removeTree } from '../../kit/remove-tree.ts';
import { NO_CHECKPOINT } from '../lacks.ts';
import type { Found, Handle, Runtime, RuntimeCapabilities, StartOrder } from '../runtime.ts';
import { CompiledFilters } from './compiled-filters.ts';
import type { OciDeps } from './deps.ts';
import { execFailure, startFailure } from './failures.ts';
import type { Flavour } from './flavour.ts';
import { guestProcesses } from './guest-processes.ts';
import { guestRuns } from './guest-start.ts';
import { COPIES_NOTE, startOnLayers } from './layers.ts';
import { writeNames } from './names.ts';
import { cgroupOf, configFor, enteredOf, execPaths, helperExec, helperStart } from './orders.ts';
import { execProcess, startProcess } from './process.ts';
import { handleOf, recordOf, type SandboxRecord } from './record.ts';
import { type SandboxFolder, sandboxFolder } from './sandbox-folder.ts';
import { seccompFor } from './seccomp.ts';
import { type ResolvedUser, Users } from './users.ts';

/** Others may pass through the folder (a runtime that is root of the sandbox only), nobody may list it. */
const FOLDER_MODE = 0o711;
const PRIVATE_MODE = 0o600;
/** Of records, after a start of Arc. */
const READS_AT_ONCE = 16;
const ASK_TIMEOUT_MS = 10_000;

/** One OCI program on one node. It decides what is to be done; the helper does it, the program isolates. */
export class OciRuntime implements Runtime {
  readonly name: string;
  readonly levels: readonly Level[];
  readonly capabilities: RuntimeCapabilities = {
    exec: true,
    terminal: true,
    files: true,
    stats: true,
    freeze: true,
    checkpoint: false,
  };
  readonly lacks = NO_CHECKPOINT;
  readonly #deps: OciDeps;
  /** Each holds one of few threads while the kernel looks for memory. */
  readonly #pushing = new KeyedMutex();
  readonly #users = new Users();
  readonly #filters: CompiledFilters;
  readonly #probe: () => Promise<readonly LevelReport[]>;

  /** @param probe tries a real sandbox; see `probe.ts` */
  constructor(deps: OciDeps, probe: (runtime: OciRuntime) => Promise<readonly LevelReport[]>) {
    this.name = deps.flavour.name;
    this.levels = [deps.flavour.level];
    this.#deps = deps;
    this.#filters = new CompiledFilters(deps.program);
    this.#probe = () => probe(this);
  }

  probe(): Promise<readonly LevelReport[]> {
    return this.#probe();
  }

  /** The blank image of the writable layer: by far the slowest part where it is not there yet. */
  async prepare(order: StartOrder): Promise<void> {
    await this.#blank(order);
  }

  async start(order: StartOrder, signal: AbortSignal): Promise<Handle> {
    signal.throwIfAborted();
    const folder = this.#folder(order.id);
    const running = await this.#running(order);
    if (running !== undefined) return running;
    const user = await this.#users.resolve(order.spec.user, order.lowers);
    this.#checkMemory(order);
    try {
      const [record, blank] = await Promise.all([this.#write(order, folder, user), this.#blank(order)]);
      await this.#deps.admit(order);
      const process = await startOnLayers(this.#deps, order, folder, signal, (lowers) =>
        this.#deps.helper.start(helperStart(this.#deps, order, folder, blank, user.uid, lowers)),
      );
      const handle = handleOf(record, this.#flavour, process);
      await this.#learnFilter(order, folder);
      await this.#guestRuns(handle, signal);
      return handle;
    } catch (error) {
      await this.#undo(order);
      throw error instanceof RuntimeFailed ? startFailure(error, order.spec) : error;
    }
  }

  async signal(handle: Handle, name: string): Promise<void> {
    const { asked } = this.#deps.flavour;
    if (asked === undefined) await this.#deps.helper.signal(handle, name);
    else await this.#ask(handle, asked.kill(this.#deps.program, this.#folder(handle.id), handle.id, name));
  }

  async wait(handle: Handle, signal: AbortSignal): Promise<Exit> {
    const { promise, resolve, reject } = Promise.withResolvers<Exit>();
    promise.catch(() => {}); // it may be settled before anybody awaits it
    const off = this.onExit((target, exit) => {
      if (target.id === handle.id && target.incarnation === handle.incarnation) resolve(exit);
    });
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      if (signal.aborted) onAbort();
      const entry = await this.#entry(handle);
      if (entry?.phase === 'exited' && entry.exit !== undefined) resolve(entry.exit);
      if (entry === undefined) reject(new ArcError('wrong_state', `${handle.id} is not held by this node`));
      return await promise;
    } finally {
      off();
      signal.removeEventListener('abort', onAbort);
    }
  }

  async recover(): Promise<readonly Found[]> {
    const found: Found[] = [];
    await eachLimited(await this.#deps.helper.list(), READS_AT_ONCE, async (entry) => {
      const one = await this.#recoverOne(entry);
      if (one !== undefined) found.push(one);
    });
    return found;
  }

  async stop(target: Target): Promise<void> {
    await this.#deps.helper.stop(target);
    const { dir, state } = this.#folder(target.id);
    await removeTree(state, dir);
  }

  async destroy(target: Target): Promise<void> {
    await this.#deps.helper.destroy(target);
    await this.#deps.copies.remove(target.id);
    this.#deps.records.forget(target.id);
  }

  onExit(listener: (target: Target, exit: Exit) => void): () => void {
    return this.#deps.helper.onExit(listener);
  }

  /** gVisor's own processes are in the group as well: all of it stands still. */
  async freeze(handle: Handle): Promise<void> {
    await this.#held(handle);
    await this.#deps.freezer.freeze(handle.id);
    // The kernel takes its time, and works behind our back: nobody waits for it.
    void this.#pushing.run('one at a time', () => pushOut(this.#deps.helper.cgroupPaths(handle.id)));
  }

  async thaw(handle: Handle): Promise<void> {
    await this.#held(handle);
    await this.#deps.freezer.thaw(handle.id);
    await keepIn(this.#deps.helper.cgroupPaths(handle.id));
  }

  async isFrozen(handle: Handle): Promise<boolean> {
    return await this.#deps.freezer.isFrozen(handle.id);
  }

  async exec(handle: Handle, id: string, order: ExecOrder): Promise<ExecStream> {
    const { folder, record } = await this.#held(handle);
    const user = await this.#users.resolve(order.user ?? record.spec.user, record.lowers);
    const paths = execPaths(this.#deps, folder, id);
    const process = execProcess(record.spec, order, user, this.#deps.limits);
    const document = this.#deps.flavour.documents?.command(process) ?? JSON.stringify(process);
    await this.#writeReadable(paths.process, document, record.slot);
    try {
      return await this.#deps.helper.exec(handle, helperExec(this.#deps, record, folder, handle.pid, id, order));
    } catch (error) {
      throw error instanceof RuntimeFailed ? execFailure(error, order.command) : error;
    } finally {
      await rm(paths.process, { force: true });
    }
  }

  join(handle: Handle, id: string): Promise<ExecStream> {
    return this.#deps.helper.join(handle, id);
  }

  execs(handle: Handle): Promise<readonly ExecInfo[]> {
    return this.#deps.helper.execs(handle);
  }

  signalExec(handle: Handle, id: string, name: string): Promise<void> {
    return this.#deps.helper.signalExec(handle, id, name);
  }

  files(handle: Handle): Promise<FileSession> {
    return this.#deps.helper.files(handle, this.#filesRoot);
  }

  /** Without what only the log's keeper knows: `logBytes` and `logDropped` are filled in by the agent. */
  async stats(handle: Handle): Promise<RawStats> {
    const { record } = await this.#held(handle);
    const [usage, traffic, diskBytes] = await Promise.all([
      readUsage(this.#deps.helper.cgroupPaths(handle.id)),
      readTraffic(record.hostInterface),
      readLayerUse(handle.pid, this.#filesRoot),
    ]);
    const disk = diskBytes === undefined ? {} : { diskBytes };
    return { ...usage, ...traffic, ...disk, logBytes: 0, logDropped: 0 };
  }

  /** A guest with a kernel of its own was told its memory and processors at its start; those stay. */
  async setLimits(handle: Handle, limits: Limits): Promise<void> {
    if (this.#deps.flavour.asked !== undefined) {
      throw new ArcError('method_not_allowed', `${this.name} can not change limits of what runs`);
    }
    await writeLimits(this.#deps.helper.cgroupPaths(handle.id), cgroupOf(this.#deps, limits));
  }

  async processes(handle: Handle): Promise<readonly ProcessInfo[]> {
    const { guest, ownInit } = this.#deps.flavour;
    if (guest !== undefined) {
      if (await this.isFrozen(handle)) throw new ArcError('wrong_state', `${handle.id} is frozen and can not be asked`);
      return guestProcesses(await this.#ask(handle, guest.ps(this.#deps.program, this.#folder(handle.id), handle.id)));
    }
    const pids = await readPids(this.#deps.helper.cgroupPaths(handle.id));
    const all = await processList(pids, this.#deps.plan.ids(handle.slot).hostBase, readProc);
    return ownInit ? all.filter(({ pid }) => pid !== 1) : all;
  }

  /** A runtime that stays is there before its program is: waits until the program runs, or tells why it never did. */
  async #guestRuns(handle: Handle, signal: AbortSignal): Promise<void> {
    const { guest } = this.#deps.flavour;
    if (guest === undefined) return;
    const done = new AbortController();
    const ended = this.wait(handle, AbortSignal.any([signal, done.signal])).catch(() => undefined);
    const argv = guest.state(this.#deps.program, this.#folder(handle.id), handle.id);
    try {
      await guestRuns(
        ended,
        () => this.#ask(handle, argv).catch(() => ''),
        () => this.#deps.lastOutput(handle.id),
      );
      signal.throwIfAborted();
    } finally {
      done.abort();
    }
  }

  /** Asks the runtime itself; one that was started as root of the sandbox and of nothing else is asked as that. */
  async #ask(handle: Handle, argv: readonly string[]): Promise<string> {
    await this.#held(handle);
    const options = { env: {}, timeoutMs: ASK_TIMEOUT_MS };
    const entered = this.#deps.flavour.joins === 'entered';
    const result = await this.#deps.run(entered ? enteredOf(this.#deps, handle.pid, argv) : argv, options);
    if (result.code === 0) return result.stdout;
    throw new ArcError('wrong_state', `${this.name} refused: ${result.notStarted ?? clean(result.stderr)}`);
  }

  /** With what is to be said of this machine, too. */
  get #flavour(): Flavour {
    const { flavour, copies } = this.#deps;
    if (!copies.needed) return flavour;
    return { ...flavour, note: flavour.note === undefined ? COPIES_NOTE : `${flavour.note}; ${COPIES_NOTE}` };
  }

  async #learnFilter(order: StartOrder, folder: SandboxFolder): Promise<void> {
    const { arch, flavour } = this.#deps;
    if (flavour.compiledFilter === undefined) return;
    const list = seccompFor(arch, order.spec.capabilities);
    await this.#filters.learn(list, flavour.compiledFilter(folder, order.id));
  }

  /** The root as the mount namespace of the helper's own child shows it, or that of the sandbox. */
  get #filesRoot(): string {
    return this.#deps.flavour.filesRoot === 'sandbox' ? '/' : this.#deps.rootMount;
  }

  #folder(id: string): SandboxFolder {
    return sandboxFolder(this.#deps.sandboxesDir, id);
  }

  async #entry(target: Target): Promise<HelperEntry | undefined> {
    const entries = await this.#deps.helper.list();
    return entries.find((entry) => entry.id === target.id && entry.incarnation === target.incarnation);
  }

  async #running(target: Target): Promise<Handle | undefined> {
    const record = await this.#deps.records.read(this.#folder(target.id).record, target);
    if (record === undefined) return undefined;
    const entry = await this.#entry(target);
    return entry?.phase === 'running' ? handleOf(record, this.#flavour, entry) : undefined;
  }

  async #recoverOne(entry: HelperEntry): Promise<Found | undefined> {
    const target = { id: entry.id, incarnation: entry.incarnation };
    const record = await this.#deps.records.read(this.#folder(entry.id).record, target);
    if (record?.runtime !== this.#deps.flavour.name) return undefined;
    if (entry.phase === 'partial') {
      return { phase: 'partial', target, slot: entry.slot };
    }
    const handle = handleOf(record, this.#flavour, entry);
    if (entry.phase === 'running') return { phase: 'running', handle };
    return { phase: 'exited', handle, exit: entry.exit ?? UNKNOWN_EXIT };
  }

  async #held(handle: Handle): Promise<{ folder: SandboxFolder; record: SandboxRecord }> {
    const folder = this.#folder(handle.id);
    const record = await this.#deps.records.read(folder.record, handle);
    if (record === undefined) {
      throw new ArcError('wrong_state', `${handle.id} is not running in this incarnation`);
    }
    return { folder, record };
  }

  #checkMemory(order: StartOrder): void {
    const least = this.#deps.flavour.memoryBytesMin;
    if (order.spec.limits.memoryBytes >= least) return;
    throw new ArcError('memory_too_small', `${this.name} can not start anything in less than ${least} bytes`);
  }

  async #blank(order: StartOrder) {
    return order.spec.limits.diskKind === 'image'
      ? await this.#deps.blanks.get(order.spec.limits.diskBytes)
      : undefined;
  }

  async #write(order: StartOrder, folder: SandboxFolder, user: ResolvedUser): Promise<SandboxRecord> {
    const { flavour, plan } = this.#deps;
    const address = plan.address(order.slot);
    const hostInterface = plan.hostInterface(order.slot, order.spec.network);
    const record = recordOf(order, flavour.name, { address, hostInterface });
    const config = configFor(this.#deps, this.#filters, order, startProcess(order.spec, user, this.#deps.limits));
    const { root, limits } = order.spec;
    const document =
      flavour.documents?.start(config, { program: this.#deps.program, folder, root, limits }) ?? JSON.stringify(config);
    // Of an earlier incarnation things may lie in it, which are taken away first.
    const made = (await mkdir(folder.dir, { recursive: true, mode: FOLDER_MODE })) !== undefined;
    if (!made) await this.#clear(folder);
    await Promise.all([
      this.#deps.records.write(folder.record, record),
      this.#writeReadable(folder.config, document, order.slot),
      this.#makeState(folder, order.slot),
      writeNames(folder.names, {
        id: order.id,
        address,
        resolvers: nameServersOf(order.spec.network, this.#deps.resolvers, plan.gateway),
        holdTmp: flavour.coversTmp === true,
      }),
    ]);
    return record;
  }

  async #clear(folder: SandboxFolder): Promise<void> {
    await Promise.all([
      rm(folder.config, { force: true }),
      removeTree(folder.state, folder.dir),
      removeTree(folder.names, folder.dir),
    ]);
  }

  /** For the runtime only: root, or the sandbox's own root where the runtime runs as that. */
  async #writeReadable(path: string, text: string, slot: number): Promise<void> {
    await writeFile(path, text, { mode: PRIVATE_MODE, flag: 'wx' });
    if (this.#deps.flavour.joins === 'paths') return;
    const { hostBase } = this.#deps.plan.ids(slot);
    await chown(path, hostBase, hostBase);
  }

  async #makeState(folder: SandboxFolder, slot: number): Promise<void> {
    await chmod(folder.dir, FOLDER_MODE);
    if (this.#deps.flavour.joins === 'paths') return;
    const { hostBase } = this.#deps.plan.ids(slot);
    await mkdir(folder.state, { mode: 0o700 });
    await chown(folder.state, hostBase, hostBase);
  }

  /** A failed first start leaves nothing; a failed later one leaves the writable layer of the incarnation before it. */
  async #undo(order: StartOrder): Promise<void> {
    const again = order.incarnation > 1 && !order.fresh;
    await (again ? this.stop(order) : this.#removeAll(order)).catch((error: unknown) => {
      this.#deps.log.warn(
        { err: error, sandbox: order.id },
        'a failed start could not be cleaned up; the sweep tries again',
      );
    });
  }

  async #removeAll(target: Target): Promise<void> {
    await this.destroy(target);
    const { dir } = this.#folder(target.id);
    const left = await readdir(dir).catch(() => undefined);
    if (left !== undefined) await removeTree(dir, this.#deps.sandboxesDir);
  }
}

const UNKNOWN_EXIT: Exit = { code: null, signal: null, oom: false, at: 0, note: 'how it ended is not known' };
