import { mkdir, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { ArcError } from '../../contract/errors.ts';
import type { Exit } from '../../contract/spec.ts';
import type { ExecInfo, ExecStream, FileSession, Target } from '../../engines/engine.ts';
import type { HelperEntry, HelperExec, HelperStart, NodeHelper } from '../../host/helper/port.ts';

type Step = 'start' | 'list' | 'stop' | 'destroy' | 'signal' | 'exec';

/** A node helper that keeps its sandboxes in a map, and fails when it is told to. */
export class FakeHelper implements NodeHelper {
  readonly orders: HelperStart[] = [];
  readonly execOrders: HelperExec[] = [];
  readonly held = new Map<string, HelperEntry>();
  readonly #sandboxesDir: string;
  readonly #exits = new Set<(target: Target, exit: Exit) => void>();
  readonly #connections = new Set<(up: boolean) => void>();
  readonly #failures = new Map<Step, Error[]>();
  #pid = 1000;

  constructor(sandboxesDir: string) {
    this.#sandboxesDir = sandboxesDir;
  }

  /** The next call of this step throws this; once. */
  failNext(step: Step, error: Error): void {
    this.#failures.set(step, [...(this.#failures.get(step) ?? []), error]);
  }

  /** The first process of a sandbox ends. `quietly`: nobody is told, as when the server was down. */
  end(id: string, exit: Partial<Exit> = {}, quietly = false): void {
    const entry = this.held.get(id);
    if (entry === undefined) throw new Error(`${id} is not held`);
    const full: Exit = { code: 0, signal: null, oom: false, at: 1, ...exit };
    this.held.set(id, { ...entry, phase: 'exited', exit: full });
    if (!quietly) this.#tell(entry, full);
  }

  /** The helper is lost, or is back. */
  connection(up: boolean): void {
    for (const listener of this.#connections) listener(up);
  }

  async start(order: HelperStart): Promise<{ pid: number; pidStart: number }> {
    this.#maybeFail('start');
    this.orders.push(order);
    this.#pid += 1;
    const { id, incarnation, dir, slot } = order;
    this.held.set(id, { id, incarnation, dir, slot, phase: 'running', pid: this.#pid, pidStart: 7 });
    return { pid: this.#pid, pidStart: 7 };
  }

  async list(): Promise<readonly HelperEntry[]> {
    this.#maybeFail('list');
    return [...this.held.values()];
  }

  async stop(target: Target): Promise<void> {
    this.#maybeFail('stop');
    const entry = this.held.get(target.id);
    if (entry?.phase !== 'running' || entry.incarnation > target.incarnation) return;
    this.end(target.id, { code: null, signal: 'SIGKILL' });
  }

  async destroy(target: Target): Promise<void> {
    this.#maybeFail('destroy');
    const entry = this.held.get(target.id);
    if (entry !== undefined && entry.incarnation > target.incarnation) return;
    this.held.delete(target.id);
    if (basename(target.id) !== target.id) throw new ArcError('invalid_request', 'not an id');
    await rm(`${this.#sandboxesDir}/${target.id}/config.json`, { force: true });
  }

  async signal(target: Target, name: string): Promise<void> {
    this.#maybeFail('signal');
    this.end(target.id, { code: null, signal: name });
  }

  onExit(listener: (target: Target, exit: Exit) => void): () => void {
    this.#exits.add(listener);
    return () => this.#exits.delete(listener);
  }

  onConnection(listener: (up: boolean) => void): () => void {
    this.#connections.add(listener);
    return () => this.#connections.delete(listener);
  }

  async exec(_target: Target, order: HelperExec): Promise<ExecStream> {
    this.#maybeFail('exec');
    this.execOrders.push(order);
    throw new ArcError('exec_failed', 'the fake runs no commands');
  }

  join(_target: Target, execId: string): Promise<ExecStream> {
    return Promise.reject(new ArcError('exec_not_found', execId));
  }

  async execs(): Promise<readonly ExecInfo[]> {
    return [];
  }

  signalExec(_target: Target, execId: string): Promise<void> {
    return Promise.reject(new ArcError('exec_not_found', execId));
  }

  files(): Promise<FileSession> {
    return Promise.reject(new ArcError('file_denied', 'the fake holds no files'));
  }

  async layerMarks(dir: string): Promise<void> {
    await mkdir(dirname(dir), { recursive: true });
  }

  cgroupPaths(id: string) {
    const path = `${this.#sandboxesDir}/${id}/cgroup`;
    return { memory: path, cpu: path, cpuacct: path, pids: path, version: 2 as const };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#exits.clear();
    this.#connections.clear();
  }

  #maybeFail(step: Step): void {
    const error = this.#failures.get(step)?.shift();
    if (error !== undefined) throw error;
  }

  #tell({ id, incarnation }: Target, exit: Exit): void {
    for (const listener of this.#exits) listener({ id, incarnation }, exit);
  }
}
