import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { Exit } from '../../contract/spec.ts';
import type { HeldProgram } from '../../host/commands/program.ts';
import type { Clock } from '../../kit/clock.ts';
import { FD_CONTROL, FD_INFO, openFilter, type WorkerHost, type WorkerShape, workerArgv } from './confine.ts';
import {
  decodeMessage,
  type EngineName,
  encodeMessage,
  messageLengths,
  PREFIX_BYTES,
  type TreeEntry,
  type WorkerOrder,
} from './order.ts';

/** ms between two looks at how much memory a worker holds. */
const LOOK_MS = 100;
/** Of a report beside the files: paths, modes and lengths. */
const REPORT_HEAD_MAX = 8 * 1024 * 1024;
/** What an engine may come to hold beside its program's memory: caches, code that it compiles. */
const SLACK_BYTES = 96 * 1024 * 1024;
/** Of what a worker says that does not come to stand, kept for the error. */
const WORDS_MAX = 2_000;
const PAGE_BYTES = 4096;
const TICK_MS = 10;
const NODE_ENV_ = { PATH: '/usr/bin:/bin' };

interface Report {
  readonly stdout: number;
  readonly stderr: number;
  readonly code: number;
  readonly oom: boolean;
  readonly files: readonly TreeEntry[];
}

/** One worker: started ahead, given one program, gone with it. Nothing that it says is believed beyond its bounds. */
export class WorkerProcess implements HeldProgram {
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  #pid: number | undefined;
  /** First process of its jail. */
  #init: number | undefined;
  #gone = false;
  #killedBy: string | undefined;
  #oom = false;
  readonly #heard = { stdout: 0, stderr: 0 };
  readonly #over = Promise.withResolvers<void>();
  #words = '';
  #report: Report | undefined;
  #reportMax = 0;
  #keep: (files: readonly TreeEntry[]) => Promise<void> = async () => {};
  readonly engine: EngineName;
  readonly ready: Promise<void>;
  /** Nothing is left of its process. */
  readonly gone: Promise<void>;
  readonly ended: Promise<Omit<Exit, 'at'>>;

  constructor(host: WorkerHost, shape: WorkerShape, clock: Clock) {
    this.#clock = clock;
    this.engine = shape.engine;
    const [file = '', ...args] = workerArgv(host, shape);
    const filter = openFilter(host.jail);
    const extra = filter === undefined ? [] : ['pipe' as const, filter.fd];
    this.#child = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe', 'pipe', ...extra],
      env: NODE_ENV_,
      cwd: '/',
      detached: true,
    });
    filter?.close();
    this.#pid = filter === undefined ? this.#child.pid : undefined;
    if (filter !== undefined) this.#learnPid(this.#child.stdio[FD_INFO] as Readable);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    promise.catch(() => {}); // whoever takes it asks
    const enough = this.#overhear();
    this.#listen(this.#child.stdio[FD_CONTROL] as Duplex, () => {
      enough();
      resolve();
    });
    const closed = new Promise<[number | null, string | null]>((done) => {
      this.#child.once('error', () => done([null, null]));
      this.#child.once('close', (code, signal) => done([code, signal]));
    });
    this.gone = closed.then(() => {});
    this.ended = Promise.race([closed, this.#over.promise.then(() => [null, null] as const)]).then(
      async ([code, signal]) => {
        reject(
          new Error(`a worker for ${shape.engine} ended before it stood (${signal ?? code}): ${this.#words.trim()}`),
        );
        return await this.#kept(this.#exitOf(code, signal));
      },
    );
  }

  get stdin(): Writable {
    return this.#child.stdin as Writable;
  }
  get stdout(): Readable {
    return this.#child.stdout as Readable;
  }
  get stderr(): Readable {
    return this.#child.stderr as Readable;
  }

  /** What is to be done with what its program leaves, before it counts as ended. Nothing is left by what was killed. */
  keep(keep: (files: readonly TreeEntry[]) => Promise<void>): void {
    this.#keep = keep;
  }

  async #kept(exit: Omit<Exit, 'at'>): Promise<Omit<Exit, 'at'>> {
    if (this.#report === undefined || exit.oom) return exit;
    try {
      await this.#keep(this.#report.files);
      return exit;
    } catch (error) {
      const note = `its files were not kept: ${error instanceof Error ? error.message : String(error)}`;
      return { ...exit, code: exit.code === 0 ? 1 : exit.code, note };
    }
  }

  /** Gives it its program. @param filesMax bytes of files that it may leave */
  begin(order: WorkerOrder, filesMax: number): void {
    this.#reportMax = filesMax + REPORT_HEAD_MAX;
    const { files, ...rest } = order;
    const control = this.#child.stdio[FD_CONTROL] as Duplex;
    for (const stream of ['stdout', 'stderr'] as const) {
      this[stream].on('data', (part: Buffer) => {
        this.#heard[stream] += part.length;
        this.#heardAll();
      });
    }
    control.write(encodeMessage(files, rest));
    void this.#watchMemory(order.memoryBytes);
  }

  kill(signal: string): void {
    this.#killedBy ??= signal;
    this.#end();
  }

  #end(): void {
    this.#gone = true;
    // With the first process of its pid namespace everything in that goes.
    if (this.#init !== undefined) kill(this.#init);
    if (this.#child.pid !== undefined) kill(-this.#child.pid);
  }

  async usage(): Promise<{ readonly cpuMs: number; readonly memoryBytes: number }> {
    const memoryBytes = this.#resident();
    return { cpuMs: this.#cpuMs(), memoryBytes };
  }

  async #watchMemory(most: number): Promise<void> {
    const before = this.#resident();
    let over = false;
    void this.ended.then(() => {
      over = true;
    });
    while (!over) {
      await this.#clock.sleep(LOOK_MS);
      if (this.#resident() <= before + most + SLACK_BYTES) continue;
      this.#oom = true;
      this.kill('SIGKILL');
      return;
    }
  }

  /** All was read that its program has printed: then nobody need wait until its process is taken apart. */
  #heardAll(): void {
    if (this.#report === undefined) return;
    if (this.#heard.stdout < this.#report.stdout || this.#heard.stderr < this.#report.stderr) return;
    this.stdout.destroy();
    this.stderr.destroy();
    this.#over.resolve();
  }

  #resident(): number {
    return Number(this.#proc('statm').split(' ')[1] ?? 0) * PAGE_BYTES;
  }

  #cpuMs(): number {
    const fields = this.#proc('stat').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * TICK_MS;
  }

  /** Where there is no /proc nothing is known; the engine's own bound on its memory holds there as well. */
  #proc(file: string): string {
    if (this.#pid === undefined && this.#init !== undefined) this.#pid = childOf(this.#init);
    const path = `/proc/${this.#pid}/${file}`;
    if (this.#pid === undefined || !existsSync(path)) return '';
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return '';
    }
  }

  #learnPid(info: Readable): void {
    let text = '';
    info.on('data', (part: Buffer) => {
      text += part.toString('utf8').slice(0, WORDS_MAX);
      const found = /"child-pid":\s*(\d+)/.exec(text)?.[1];
      if (found === undefined || this.#init !== undefined) return;
      this.#init = Number(found);
      if (this.#gone) kill(this.#init);
    });
    info.on('error', () => {});
  }

  /** First that it stands, then, once, what its program left. */
  #listen(control: Duplex, onReady: () => void): void {
    let held: Buffer<ArrayBufferLike> = Buffer.alloc(0);
    let stands = false;
    control.on('error', () => {}); // its end says the same
    control.on('data', (part: Buffer) => {
      held = held.length === 0 ? part : Buffer.concat([held, part]);
      for (;;) {
        if (held.length < PREFIX_BYTES) return;
        const { total, head } = messageLengths(held);
        if (head > total || total > (stands ? this.#reportMax : WORDS_MAX) || this.#report !== undefined) {
          this.kill('SIGKILL');
          return;
        }
        if (held.length < PREFIX_BYTES + total) return;
        const body = held.subarray(PREFIX_BYTES, PREFIX_BYTES + total);
        held = held.subarray(PREFIX_BYTES + total);
        if (stands) this.#take(body, head);
        else onReady();
        stands = true;
      }
    });
  }

  #take(body: Uint8Array, head: number): void {
    try {
      const { files, rest } = decodeMessage(body, head);
      const { code, oom, stdout, stderr } = rest;
      this.#report = {
        files,
        code: Number(code) & 255,
        oom: oom === true,
        stdout: Number(stdout),
        stderr: Number(stderr),
      };
      // Its last word. Left to itself it would still wait for what compiles its code in the background.
      this.#end();
      this.#heardAll();
    } catch {
      this.kill('SIGKILL');
    }
  }

  #exitOf(code: number | null, signal: string | null): Omit<Exit, 'at'> {
    const oom = this.#oom || this.#report?.oom === true;
    if (oom) return { code: null, signal: 'SIGKILL', oom: true };
    const killed = this.#killedBy ?? signal;
    if (this.#report !== undefined) return { code: this.#report.code, signal: null, oom: false };
    if (killed !== null && killed !== undefined) return { code: null, signal: killed, oom: false };
    return { code, signal: null, oom: false };
  }

  /** What it says before it stands; from then on its words are the program's. */
  #overhear(): () => void {
    const hear = (part: Buffer) => {
      this.#words = (this.#words + part.toString('utf8')).slice(-WORDS_MAX);
    };
    this.stderr.on('data', hear);
    return () => {
      this.stderr.off('data', hear);
      this.stderr.pause();
    };
  }
}

/** What has ended already is no error. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {}
}

function childOf(pid: number): number | undefined {
  const path = `/proc/${pid}/task/${pid}/children`;
  const first = existsSync(path) ? Number.parseInt(readFileSync(path, 'utf8'), 10) : Number.NaN;
  return Number.isNaN(first) ? undefined : first;
}
