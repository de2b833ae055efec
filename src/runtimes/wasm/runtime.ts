import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import type { Exit, ResolvedSpec, RootRef } from '../../contract/spec.ts';
import { LOG_RATE_DEFAULT } from '../../domain/log-rate.ts';
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
import { HeldCommand } from '../../host/commands/held-command.ts';
import { JournalWriter } from '../../host/journal/writer.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import { removeTree } from '../../kit/remove-tree.ts';
import type { Found, Handle, Runtime, RuntimeCapabilities, StartOrder } from '../runtime.ts';
import { chooseEngine, WHAT_RUNS } from './choose-engine.ts';
import { WASM_LACKS } from './lacks.ts';
import type { EngineName } from './order.ts';
import { probeWasm } from './probe.ts';
import { readRecord, type WasmRecord, writeRecord } from './record.ts';
import { sandboxOf, type WasmSandbox } from './sandbox.ts';
import { readTree, SandboxFiles } from './sandbox-files.ts';
import type { WorkerProcess } from './worker-process.ts';
import type { Workers } from './workers.ts';

export interface WasmDeps {
  readonly workers: Workers;
  /** Folder with one folder for each sandbox. */
  readonly sandboxesDir: string;
  /** Said of every sandbox: what it is put in here, or what is missing for that. */
  readonly note: () => Promise<string>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Nothing answers there on any machine: connecting to the address of everybody is refused by every kernel. */
const NO_ADDRESS = '255.255.255.255';
/** Ended commands that can still be joined and listed. */
const ENDED_KEPT = 32;
const LOST: Omit<Exit, 'at'> = {
  code: null,
  signal: null,
  oom: false,
  note: 'its program ended with the server that ran it',
};

/** Programs in WebAssembly engines, each in a worker process of its own: the level that needs nothing of the machine. */
export class WasmRuntime implements Runtime {
  readonly name = 'wasm';
  readonly levels = ['wasm'] as const;
  readonly capabilities: RuntimeCapabilities = {
    exec: true,
    terminal: false,
    files: true,
    stats: true,
    freeze: false,
    checkpoint: false,
  };
  readonly lacks = WASM_LACKS;
  readonly unverifiable = 'its engines run no program of the machine, so no adversary of that kind can be tried in it';
  readonly #deps: WasmDeps;
  readonly #sandboxes = new Map<string, WasmSandbox>();
  /** Folders that were looked at and are of another runtime. */
  #others: Set<string> = new Set();
  readonly #listeners = new Set<(target: Target, exit: Exit) => void>();

  constructor(deps: WasmDeps) {
    this.#deps = deps;
  }

  probe(): Promise<readonly LevelReport[]> {
    return probeWasm(this.#deps, this.lacks);
  }

  /** Python and JavaScript are in the engines; what else a root holds is files. */
  bringsRoot(root: RootRef): boolean {
    return root.kind === 'builtin';
  }

  async prepare({ spec }: StartOrder): Promise<void> {
    const chosen = chooseEngine(spec.command, () => false);
    if (chosen !== undefined && chosen.engine !== 'stay')
      this.#deps.workers.warm(chosen.engine, spec.limits.memoryBytes);
  }

  async start(order: StartOrder, signal: AbortSignal): Promise<Handle> {
    signal.throwIfAborted();
    const { id, incarnation, slot, spec } = order;
    const known = this.#sandboxes.get(id);
    if (known?.record.incarnation === incarnation && known.record.exit === undefined)
      return await this.#handle(known.record);
    const again = incarnation > 1 && !order.fresh;
    const dir = this.#dir(id);
    try {
      const files = this.#files(id, order);
      if (order.fresh) await removeTree(join(dir, 'files'), dir);
      await files.make();
      for (const lower of order.fresh ? order.lowers : []) {
        await files.apply([], await readTree(lower, spec.limits.diskBytes));
      }
      const [program = ''] = spec.command;
      const isFile = await files.isFile(program.startsWith('/') ? program : `${spec.cwd}/${program}`);
      const chosen = chooseEngine(spec.command, () => isFile);
      if (chosen === undefined) throw notFound(program);
      const record: WasmRecord = {
        v: 1,
        runtime: 'wasm',
        id,
        incarnation,
        slot,
        spec,
        stays: chosen.engine === 'stay',
      };
      const sandbox = sandboxOf(record);
      const worker = chosen.engine === 'stay' ? undefined : await this.#take(chosen.engine, record);
      // Whoever gets a sandbox of a language is to find its engine standing, not to wait for it at the first command.
      if (worker === undefined) await this.#standing(spec);
      if (signal.aborted) worker?.kill('SIGKILL');
      signal.throwIfAborted();
      await writeRecord(dir, record);
      this.#sandboxes.set(id, sandbox);
      if (worker !== undefined) await this.#runFirst(sandbox, worker, files);
      else if (chosen.engine === 'stay' && chosen.ms !== undefined) {
        sandbox.cancelStay = this.#deps.clock.after(chosen.ms, () => void this.#end(sandbox, plainExit(0)));
      }
      return await this.#handle(record);
    } catch (error) {
      this.#sandboxes.delete(id);
      if (!again) await removeTree(dir, this.#deps.sandboxesDir);
      throw error;
    }
  }

  async signal(handle: Handle, name: string): Promise<void> {
    const sandbox = this.#held(handle);
    if (sandbox.program !== undefined) sandbox.program.kill(name);
    else await this.#end(sandbox, { code: null, signal: name, oom: false });
  }

  async wait(handle: Handle, signal: AbortSignal): Promise<Exit> {
    signal.throwIfAborted();
    const sandbox = this.#held(handle);
    const { promise, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([sandbox.over.promise, promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async recover(): Promise<readonly Found[]> {
    const names = await readdir(this.#deps.sandboxesDir).catch(() => []);
    // Most folders are of other levels. What one is it stays, so that a look costs what is new.
    this.#others = new Set(names.filter((id) => this.#others.has(id)));
    for (const id of names) {
      if (this.#sandboxes.has(id) || this.#others.has(id)) continue;
      const record = await readRecord(this.#dir(id));
      if (record === undefined) {
        this.#others.add(id);
        continue;
      }
      // A first program is a child of the server that started it, and ended with that.
      const lost = !record.stays && record.exit === undefined;
      const now = lost ? { ...record, exit: { ...LOST, at: this.#deps.clock.now() } } : record;
      if (lost) await writeRecord(this.#dir(id), now);
      this.#sandboxes.set(id, sandboxOf(now));
    }
    return await Promise.all(
      [...this.#sandboxes.values()].map(async ({ record }): Promise<Found> => {
        const handle = await this.#handle(record);
        if (record.exit === undefined) return { phase: 'running', handle };
        return { phase: 'exited', handle, exit: record.exit };
      }),
    );
  }

  async stop(target: Target): Promise<void> {
    const sandbox = this.#sandboxes.get(target.id);
    if (sandbox === undefined || sandbox.record.incarnation > target.incarnation) return;
    sandbox.cancelStay();
    const workers = [...sandbox.workers];
    for (const worker of workers) worker.kill('SIGKILL');
    await Promise.all(workers.map(({ gone }) => gone));
    if (sandbox.program === undefined) await this.#end(sandbox, { code: null, signal: 'SIGKILL', oom: false });
    else await sandbox.over.promise;
  }

  async destroy(target: Target): Promise<void> {
    const sandbox = this.#sandboxes.get(target.id);
    if (sandbox !== undefined && sandbox.record.incarnation > target.incarnation) return;
    await this.stop(target);
    this.#sandboxes.delete(target.id);
    await removeTree(this.#dir(target.id), this.#deps.sandboxesDir);
  }

  onExit(listener: (target: Target, exit: Exit) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async exec(handle: Handle, id: string, order: ExecOrder): Promise<ExecStream> {
    const sandbox = this.#held(handle);
    const { record } = sandbox;
    if (record.exit !== undefined) throw new ArcError('wrong_state', `${handle.id} is not running`);
    if (order.tty !== undefined)
      throw new ArcError('exec_failed', `the level wasm has no terminal: ${this.lacks.terminal}`);
    const files = this.#files(record.id, record);
    const cwd = order.cwd ?? record.spec.cwd;
    const [program = ''] = order.command;
    const isFile = await files.isFile(program.startsWith('/') ? program : `${cwd}/${program}`);
    const chosen = chooseEngine(order.command, () => isFile);
    if (chosen === undefined || chosen.engine === 'stay') throw notFound(program);
    const worker = await this.#take(chosen.engine, record);
    const command = new HeldCommand(worker, { ...handle, execId: id }, order, this.#deps.clock);
    sandbox.commands.set(id, command);
    await this.#begin(sandbox, worker, files, {
      command: order.command,
      cwd,
      env: { ...record.spec.env, ...order.env },
    });
    void command.ended.then(() => forgetOld(sandbox));
    return command.join();
  }

  async join(handle: Handle, id: string): Promise<ExecStream> {
    return this.#command(handle, id).join();
  }

  async execs(handle: Handle): Promise<readonly ExecInfo[]> {
    return [...this.#held(handle).commands.values()].map(({ info }) => info);
  }

  async signalExec(handle: Handle, id: string, name: string): Promise<void> {
    this.#command(handle, id).kill(name);
  }

  async files(handle: Handle): Promise<FileSession> {
    const { record } = this.#held(handle);
    return this.#files(record.id, record).session();
  }

  async stats(handle: Handle): Promise<RawStats> {
    const { record, workers } = this.#held(handle);
    const used = await Promise.all([...workers].map((worker) => worker.usage()));
    return {
      cpuMs: used.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
      memoryBytes: used.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
      pids: used.length,
      diskBytes: await this.#files(record.id, record).bytes(),
      ...{ rxBytes: 0, txBytes: 0, logBytes: 0, logDropped: 0 },
    };
  }

  /** One process for each program that runs; inside there are none to be seen. */
  async processes(handle: Handle): Promise<readonly ProcessInfo[]> {
    const { record, workers, commands, program } = this.#held(handle);
    const running = [...commands.values()]
      .filter(({ info }) => info.exit === undefined)
      .map(({ info }) => info.command);
    const first = program === undefined && !record.stays ? [] : [record.spec.command];
    const rss = await Promise.all([...workers].map(async (worker) => (await worker.usage()).memoryBytes));
    return [...first, ...running].map((command, at) => ({
      ...{ pid: at + 1, ppid: 0, uid: 0, state: 'S', rssBytes: rss[at] ?? 0, command: command.join(' ') },
    }));
  }

  async #standing({ root, limits }: ResolvedSpec): Promise<void> {
    if (root.kind !== 'builtin') return;
    if (root.name === 'python') await this.#deps.workers.standing('python', limits.memoryBytes);
    if (root.name === 'node') await this.#deps.workers.standing('js', limits.memoryBytes);
  }

  async #take(engine: EngineName, { spec }: WasmRecord): Promise<WorkerProcess> {
    const { workers } = this.#deps;
    try {
      return await workers.take(engine, spec.limits.memoryBytes);
    } catch (cause) {
      throw new ArcError('start_failed', `the engine for ${engine} could not be started`, { cause });
    }
  }

  async #runFirst(sandbox: WasmSandbox, worker: WorkerProcess, files: SandboxFiles): Promise<void> {
    const { spec, id } = sandbox.record;
    sandbox.program = worker;
    const { logBytes, logRate = LOG_RATE_DEFAULT } = spec;
    const log = await JournalWriter.open(
      join(this.#dir(id), 'log'),
      { bytes: logBytes, rate: logRate },
      this.#deps.clock,
    );
    let writing = Promise.resolve();
    for (const stream of ['stdout', 'stderr'] as const) {
      worker[stream].on('data', (data: Buffer) => {
        worker[stream].pause();
        writing = writing
          .then(() => log.write(stream, data))
          .catch((error: unknown) => this.#deps.log.warn({ err: error, sandbox: id }, 'a log could not be written'))
          .finally(() => worker[stream].resume());
      });
    }
    worker.stdin.end();
    await this.#begin(sandbox, worker, files, spec);
    void worker.ended.then(async (exit) => {
      await writing;
      await log.close();
      await this.#end(sandbox, exit);
    });
  }

  /** Gives a worker its program; what that leaves behind is kept before anybody hears that it has ended. */
  async #begin(
    sandbox: WasmSandbox,
    worker: WorkerProcess,
    files: SandboxFiles,
    { command, cwd, env }: { command: readonly string[]; cwd: string; env: Readonly<Record<string, string>> },
  ): Promise<void> {
    const { limits } = sandbox.record.spec;
    sandbox.workers.add(worker);
    const before = await files.read();
    const { diskBytes, memoryBytes } = limits;
    worker.keep(async (after) => await files.apply(before, after));
    worker.begin({ argv: command, env, cwd, memoryBytes, diskBytes, files: before }, diskBytes);
    void worker.gone.then(() => sandbox.workers.delete(worker));
    void worker.ended.then(() => this.#deps.workers.warm(worker.engine, memoryBytes));
  }

  async #end(sandbox: WasmSandbox, exit: Omit<Exit, 'at'>): Promise<void> {
    if (sandbox.record.exit !== undefined) return;
    const told = { ...exit, at: this.#deps.clock.now() };
    sandbox.record = { ...sandbox.record, exit: told };
    sandbox.cancelStay();
    const { id, incarnation } = sandbox.record;
    for (const worker of sandbox.workers) worker.kill('SIGKILL');
    if (this.#sandboxes.get(id) === sandbox) await writeRecord(this.#dir(id), sandbox.record);
    sandbox.over.resolve(told);
    for (const listener of this.#listeners) listener({ id, incarnation }, told);
  }

  #command(handle: Handle, id: string): HeldCommand {
    const found = this.#held(handle).commands.get(id);
    if (found === undefined) throw new ArcError('exec_not_found', `there is no command ${id} in ${handle.id}`);
    return found;
  }

  #held(handle: Target): WasmSandbox {
    const sandbox = this.#sandboxes.get(handle.id);
    if (sandbox !== undefined && sandbox.record.incarnation === handle.incarnation) return sandbox;
    throw new ArcError('wrong_state', `${handle.id} is not running in this incarnation`);
  }

  #files(id: string, { spec }: Pick<StartOrder, 'spec'>): SandboxFiles {
    return new SandboxFiles(join(this.#dir(id), 'files'), spec.limits.diskBytes);
  }

  async #handle({ id, incarnation, slot }: WasmRecord): Promise<Handle> {
    const note = await this.#deps.note();
    return {
      v: 1,
      id,
      incarnation,
      slot,
      level: 'wasm',
      runtime: this.name,
      address: NO_ADDRESS,
      pid: 0,
      pidStart: 0,
      note,
    };
  }

  #dir(id: string): string {
    return join(this.#deps.sandboxesDir, id);
  }
}

function notFound(program: string): ArcError {
  return new ArcError('command_not_found', `"${program}" is no program of the level wasm, which runs ${WHAT_RUNS}`);
}

function plainExit(code: number): Omit<Exit, 'at'> {
  return { code, signal: null, oom: false };
}

function forgetOld({ commands }: WasmSandbox): void {
  const ended = [...commands].filter(([, { info }]) => info.exit !== undefined);
  for (const [id] of ended.slice(0, Math.max(0, ended.length - ENDED_KEPT))) commands.delete(id);
}
