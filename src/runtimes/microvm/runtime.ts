import { chmod, chown, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { ArcError } from '../../contract/errors.ts';
import type { Exit } from '../../contract/spec.ts';
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
import { readUsage } from '../../host/cgroups/usage.ts';
import { type HelperEntry, RuntimeFailed } from '../../host/helper/port.ts';
import { nameServersOf } from '../../host/network/resolvers.ts';
import { readTraffic } from '../../host/network/traffic.ts';
import { removeTree } from '../../kit/remove-tree.ts';
import { NO_CHECKPOINT } from '../lacks.ts';
import { execFailure, startFailure } from '../oci/failures.ts';
import { execProcess, startProcess } from '../oci/process.ts';
import { recordOf, type SandboxRecord } from '../oci/record.ts';
import { resolveUser } from '../oci/users.ts';
import type { Found, Handle, Runtime, RuntimeCapabilities, StartOrder } from '../runtime.ts';
import type { MicrovmDeps } from './deps.ts';
import { makeExitDisk, readExit } from './exit-disk.ts';
import type { Guest } from './guest.ts';
import { Guests } from './guests.ts';
import type { Machine } from './monitor.ts';
import { helperStart, type MachineFolder, machineFolder, machineOf } from './orders.ts';
import { Snapshots } from './snapshots.ts';
import { programFields, startFields } from './start-fields.ts';
import { tapBatch } from './tap.ts';

const FOLDER_MODE = 0o711;
const COPY_MS = 60_000;
/** Below this a program would end in the kernel's own needs. */
const MEMORY_BYTES_MIN = 2 * 1024 * 1024;

/** One virtual machine for each sandbox. The helper holds the monitor, the monitor the machine, and its first program the rest. */
export class MicrovmRuntime implements Runtime {
  readonly name: string;
  readonly levels = ['microvm'] as const;
  readonly capabilities: RuntimeCapabilities = {
    ...{ exec: true, terminal: true, files: true, stats: true },
    ...{ freeze: true, checkpoint: false },
  };
  readonly lacks = NO_CHECKPOINT;
  readonly #deps: MicrovmDeps;
  readonly #guests: Guests;
  readonly #snapshots: Snapshots;
  readonly #listeners = new Set<(target: Target, exit: Exit) => void>();
  #hearing = false;
  readonly #probe: () => Promise<readonly LevelReport[]>;

  /** @param probe tries a real sandbox; see `probe.ts` */
  constructor(deps: MicrovmDeps, probe: (runtime: MicrovmRuntime) => Promise<readonly LevelReport[]>) {
    this.name = deps.monitor.name;
    this.#deps = deps;
    this.#guests = new Guests(deps);
    this.#snapshots = new Snapshots(deps);
    this.#probe = () => probe(this);
  }

  probe(): Promise<readonly LevelReport[]> {
    return this.#probe();
  }

  /** The disk of the root, and a machine that has booted from it, saved: by far the slowest parts where they are not there yet. */
  async prepare(order: StartOrder): Promise<void> {
    const [root, blank] = await Promise.all([this.#deps.rootDisks.get(order.lowers), this.#blank(order)]);
    const machine = machineOf(order, this.#deps.plan.mtu, 'save');
    const saved = await this.#snapshots.find(machine, root);
    if (saved === undefined) await this.#snapshots.make(machine, root, blank?.path);
  }

  async start(order: StartOrder, signal: AbortSignal): Promise<Handle> {
    signal.throwIfAborted();
    const running = await this.#running(order);
    if (running !== undefined) return running;
    const { spec } = order;
    const user = await resolveUser(spec.user, order.lowers);
    if (spec.limits.memoryBytes < MEMORY_BYTES_MIN) {
      throw new ArcError('memory_too_small', `a machine can not start anything in less than ${MEMORY_BYTES_MIN} bytes`);
    }
    const folder = this.#folder(order.id);
    try {
      const root = await this.#deps.rootDisks.get(order.lowers);
      const record = await this.#write(order, folder);
      await this.#deps.admit(order);
      const load = machineOf(order, this.#deps.plan.mtu, 'load');
      const saved = await this.#snapshots.find(load, root);
      const machine: Machine = saved === undefined ? { ...load, purpose: 'boot' } : load;
      const process = await this.#deps.helper.start(helperStart(this.#deps, order, machine, folder, root.path, saved));
      const handle = this.#handleOf(record, process);
      await this.#deps.monitor.begin(machine, folder.state, signal);
      const guest = await this.#guests.first(handle, folder.guest, this.#ended(handle), signal);
      await guest.start(this.#startFields(order, record, startProcess(spec, user, this.#deps.limits)));
      signal.throwIfAborted();
      if (saved === undefined) this.#prepareNext(order);
      return handle;
    } catch (error) {
      await this.#undo(order);
      throw error instanceof RuntimeFailed ? startFailure(error, spec) : error;
    }
  }

  async signal(handle: Handle, name: string): Promise<void> {
    await (await this.#guest(handle)).signal(name);
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
      if (entry?.phase === 'exited') resolve(await this.#exitOf(handle, entry.exit));
      if (entry === undefined) reject(new ArcError('wrong_state', `${handle.id} is not held by this node`));
      return await promise;
    } finally {
      off();
      signal.removeEventListener('abort', onAbort);
    }
  }

  async recover(): Promise<readonly Found[]> {
    const entries = await this.#deps.helper.list();
    const found = await Promise.all(entries.map((entry) => this.#recoverOne(entry)));
    return found.filter((one) => one !== undefined);
  }

  async stop(target: Target): Promise<void> {
    this.#guests.forget(target.id);
    await this.#deps.helper.stop(target);
    const { dir, state } = this.#folder(target.id);
    await removeTree(state, dir);
  }

  async destroy(target: Target): Promise<void> {
    this.#guests.forget(target.id);
    await this.#deps.helper.destroy(target);
    this.#deps.records.forget(target.id);
  }

  onExit(listener: (target: Target, exit: Exit) => void): () => void {
    this.#hear();
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Lets go of the machines, as the end of this process does: a monitor talks to one at a time. */
  release(): void {
    this.#guests.release();
  }

  async exec(handle: Handle, id: string, order: ExecOrder): Promise<ExecStream> {
    const record = await this.#held(handle);
    const user = await resolveUser(order.user ?? record.spec.user, record.lowers);
    const program = programFields(record.spec, execProcess(record.spec, order, user, this.#deps.limits));
    try {
      return await (await this.#guest(handle)).exec(handle, id, order, program);
    } catch (error) {
      throw error instanceof RuntimeFailed ? execFailure(error, order.command) : error;
    }
  }

  async join(handle: Handle, id: string): Promise<ExecStream> {
    return await (await this.#guest(handle)).join(handle, id);
  }

  async execs(handle: Handle): Promise<readonly ExecInfo[]> {
    return await (await this.#guest(handle)).execs(handle.id);
  }

  async signalExec(handle: Handle, id: string, name: string): Promise<void> {
    await (await this.#guest(handle)).signalExec(id, name);
  }

  async files(handle: Handle): Promise<FileSession> {
    return await (await this.#guest(handle)).files();
  }

  /** Processor time and traffic as the host counts them; of memory, tasks and disk what the machine says while it can. */
  async stats(handle: Handle): Promise<RawStats> {
    const record = await this.#held(handle);
    const asked = (await this.isFrozen(handle)) ? undefined : this.#guest(handle).then((guest) => guest.usage());
    const [usage, traffic, inside] = await Promise.all([
      readUsage(this.#deps.helper.cgroupPaths(handle.id)),
      readTraffic(record.hostInterface),
      asked?.catch(() => undefined),
    ]);
    return { ...usage, ...traffic, ...inside, logBytes: 0, logDropped: 0 };
  }

  /** Memory of this machine that it takes, monitor and all. */
  async heldBytes(handle: Handle): Promise<number> {
    return (await readUsage(this.#deps.helper.cgroupPaths(handle.id))).memoryBytes;
  }

  async processes(handle: Handle): Promise<readonly ProcessInfo[]> {
    return await (await this.#guest(handle)).processes();
  }

  /** The monitor stands still, and with it the machine. */
  async freeze(handle: Handle): Promise<void> {
    await this.#held(handle);
    await this.#deps.freezer.freeze(handle.id);
  }

  async thaw(handle: Handle): Promise<void> {
    await this.#held(handle);
    await this.#deps.freezer.thaw(handle.id);
  }

  async isFrozen(handle: Handle): Promise<boolean> {
    return await this.#deps.freezer.isFrozen(handle.id);
  }

  /** Behind the back of who asked for this one: it had to boot, the next one has not. */
  #prepareNext(order: StartOrder): void {
    this.prepare(order).catch((error: unknown) => {
      this.#deps.log.warn({ err: error }, 'no machine of this template could be saved; each one boots');
    });
  }

  /** Of what has ended by itself: the console's last words would be gone with the monitor, so what it printed is asked for. */
  async #ended(handle: Handle): Promise<Exit> {
    return await this.wait(handle, new AbortController().signal);
  }

  /** The helper tells of the monitor's end; how the program ended is read first. */
  #hear(): void {
    if (this.#hearing) return;
    this.#hearing = true;
    this.#deps.helper.onExit((target, exit) => {
      this.#told(target, exit).catch((error: unknown) => {
        this.#deps.log.warn({ err: error, sandbox: target.id }, 'how a machine ended could not be read');
      });
    });
  }

  async #told(target: Target, exit: Exit): Promise<void> {
    const record = await this.#deps.records.read(this.#folder(target.id).record, target);
    if (record?.runtime !== this.name) return;
    this.#guests.forget(target.id);
    const told = await this.#exitOf(target, exit);
    for (const listener of [...this.#listeners]) listener(target, told);
  }

  async #exitOf(target: Target, exit: Exit | undefined): Promise<Exit> {
    const monitor = exit ?? { code: null, signal: null, oom: false, at: 0 };
    return await readExit(this.#folder(target.id).exit, target.incarnation, monitor);
  }

  async #guest(handle: Handle): Promise<Guest> {
    await this.#held(handle);
    if (await this.isFrozen(handle)) throw new ArcError('wrong_state', `${handle.id} is frozen and can not be asked`);
    return await this.#guests.get(handle, this.#folder(handle.id).guest);
  }

  #folder(id: string): MachineFolder {
    return machineFolder(this.#deps.sandboxesDir, id);
  }

  async #entry(target: Target): Promise<HelperEntry | undefined> {
    const entries = await this.#deps.helper.list();
    return entries.find((entry) => entry.id === target.id && entry.incarnation === target.incarnation);
  }

  async #running(target: Target): Promise<Handle | undefined> {
    const record = await this.#deps.records.read(this.#folder(target.id).record, target);
    if (record === undefined) return undefined;
    const entry = await this.#entry(target);
    return entry?.phase === 'running' ? this.#handleOf(record, entry) : undefined;
  }

  async #recoverOne(entry: HelperEntry): Promise<Found | undefined> {
    const target = { id: entry.id, incarnation: entry.incarnation };
    const record = await this.#deps.records.read(this.#folder(entry.id).record, target);
    if (record?.runtime !== this.name) return undefined;
    if (entry.phase === 'partial') return { phase: 'partial', target, slot: entry.slot };
    const handle = this.#handleOf(record, entry);
    if (entry.phase === 'running') return { phase: 'running', handle };
    return { phase: 'exited', handle, exit: await this.#exitOf(target, entry.exit) };
  }

  async #held(handle: Handle): Promise<SandboxRecord> {
    const record = await this.#deps.records.read(this.#folder(handle.id).record, handle);
    if (record === undefined) throw new ArcError('wrong_state', `${handle.id} is not running in this incarnation`);
    return record;
  }

  #handleOf(record: SandboxRecord, process: { readonly pid: number; readonly pidStart: number }): Handle {
    const { id, incarnation, slot, address } = record;
    const { pid, pidStart } = process;
    const { note } = this.#deps;
    return { v: 1, id, incarnation, level: 'microvm', runtime: this.name, slot, address, pid, pidStart, note };
  }

  async #blank(order: StartOrder) {
    const { diskKind, diskBytes } = order.spec.limits;
    return diskKind === 'image' ? await this.#deps.blanks.get(diskBytes) : undefined;
  }

  #startFields(order: StartOrder, record: SandboxRecord, process: ReturnType<typeof startProcess>) {
    const { plan, resolvers, clock, rng } = this.#deps;
    return startFields({
      ...{ order, program: process, address: record.address, gateway: plan.gateway, mtu: plan.mtu, now: clock.now() },
      resolvers: nameServersOf(order.spec.network, resolvers, plan.gateway),
      entropy: rng.bytes(64),
      machineId: rng.bytes(16),
    });
  }

  async #write(order: StartOrder, folder: MachineFolder): Promise<SandboxRecord> {
    const { plan, records } = this.#deps;
    const { hostBase } = plan.ids(order.slot);
    const hostInterface = plan.hostInterface(order.slot, order.spec.network);
    const record = recordOf(order, this.name, { address: plan.address(order.slot), hostInterface });
    await mkdir(folder.dir, { recursive: true, mode: FOLDER_MODE });
    await chmod(folder.dir, FOLDER_MODE);
    await removeTree(folder.state, folder.dir);
    await mkdir(folder.state, { mode: 0o700 });
    await chown(folder.state, hostBase, hostBase);
    await Promise.all([
      records.write(folder.record, record),
      makeExitDisk(folder.exit, hostBase),
      writeFile(folder.tap, tapBatch(order.slot, hostBase, plan.mtu), { mode: 0o600 }),
      this.#writeDisk(order, folder, hostBase),
    ]);
    return record;
  }

  /** Kept over a stop and a start, unless asked to be fresh. */
  async #writeDisk(order: StartOrder, folder: MachineFolder, owner: number): Promise<void> {
    if (order.fresh) await rm(folder.disk, { force: true });
    const blank = await this.#blank(order);
    if (blank === undefined || (await stat(folder.disk).catch(() => undefined))?.isFile()) return;
    const argv = ['cp', '--sparse=always', '--reflink=auto', blank.path, folder.disk];
    const copied = await this.#deps.run(argv, { env: PATH, timeoutMs: COPY_MS });
    if (copied.code !== 0) throw new ArcError('disk_full', `no room for the writable disk: ${copied.stderr.trim()}`);
    await chmod(folder.disk, 0o600);
    await chown(folder.disk, owner, owner);
  }

  /** A failed first start leaves nothing; a failed later one leaves the writable layer of the incarnation before it. */
  async #undo(order: StartOrder): Promise<void> {
    const again = order.incarnation > 1 && !order.fresh;
    await (again ? this.stop(order) : this.#removeAll(order)).catch((error: unknown) => {
      const said = 'a failed start could not be cleaned up; the sweep tries again';
      this.#deps.log.warn({ err: error, sandbox: order.id }, said);
    });
  }

  async #removeAll(target: Target): Promise<void> {
    await this.destroy(target);
    const { dir } = this.#folder(target.id);
    const left = await readdir(dir).catch(() => undefined);
    if (left !== undefined) await removeTree(dir, this.#deps.sandboxesDir);
  }
}

const PATH = { PATH: '/usr/bin:/bin' };
