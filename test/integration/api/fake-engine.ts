import { ArcError } from '../../../src/contract/errors.ts';
import type { Exit } from '../../../src/contract/spec.ts';
import type { Engine, ExecInfo, ExecOrder, ExecStream, LogChunk, Target } from '../../../src/engines/engine.ts';
import { FakeFiles } from './fake-files.ts';

type ExecExit = Exit & { readonly timedOut: boolean };
type Chunk = { readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array };

/** A program made of a few words: echo, fail, cat, wait, flood, bytes, deaf. */
export class FakeExec {
  readonly id: string;
  readonly order: ExecOrder;
  readonly sandbox: string;
  readonly signals: string[] = [];
  readonly sizes: string[] = [];
  produced = 0;
  received = 0;
  joined = 0;
  left = 0;
  #chunks: Chunk[] = [];
  #reader: symbol | undefined;
  #ended: ExecExit | undefined;
  #wake = Promise.withResolvers<void>();
  readonly #exit = Promise.withResolvers<ExecExit>();
  /** Writes wait for this when set. */
  gate: Promise<void> | undefined;

  constructor(target: Target, id: string, order: ExecOrder) {
    this.id = id;
    this.order = order;
    this.sandbox = target.id;
    this.#exit.promise.catch(() => {});
    const [name = '', ...args] = order.command;
    if (name === 'missing') throw new ArcError('command_not_found', 'missing: not found');
    if (name === 'echo') this.#say('stdout', `${args.join(' ')}\n`);
    if (name === 'fail') this.#say('stderr', 'it failed\n');
    if (name === 'bytes') this.emit('stdout', Uint8Array.from([0xff, 0xfe, 0x00]));
    if (name === 'big') this.emit('stdout', new Uint8Array(Number(args[0])).fill(97));
    if (['echo', 'fail', 'bytes', 'big'].includes(name)) this.end({ code: name === 'fail' ? 3 : 0 });
  }

  emit(stream: 'stdout' | 'stderr', data: Uint8Array): void {
    this.#chunks.push({ stream, data });
    this.#poke();
  }

  end(over: Partial<ExecExit>): void {
    if (this.#ended !== undefined) return;
    this.#ended = { code: null, signal: null, oom: false, at: 1_800_000_001_000, timedOut: false, ...over };
    this.#exit.resolve(this.#ended);
    this.#poke();
  }

  get ended(): ExecExit | undefined {
    return this.#ended;
  }

  info(): ExecInfo {
    const { id, sandbox, order } = this;
    const base = { id, sandbox, tty: order.tty !== undefined, command: order.command, startedAt: 1_800_000_000_000 };
    return this.#ended === undefined ? base : { ...base, exit: this.#ended };
  }

  async signal(name: string): Promise<void> {
    this.signals.push(name);
    this.end({ signal: name });
  }

  join(): ExecStream {
    this.joined += 1;
    const reader = Symbol('reader');
    this.#reader = reader;
    return {
      id: this.id,
      tty: this.order.tty !== undefined,
      output: this.#output(reader),
      write: async (data) => {
        await this.gate;
        if (this.#ended !== undefined) throw new Error('the program is gone');
        this.received += data.length;
        if (this.order.command[0] === 'cat' || this.order.tty !== undefined) this.emit('stdout', data.slice());
      },
      closeStdin: async () => {
        if (this.order.command[0] === 'cat') this.end({ code: 0 });
      },
      resize: async (cols, rows) => void this.sizes.push(`${cols}x${rows}`),
      signal: (name) => this.signal(name),
      exit: this.#exit.promise,
      [Symbol.asyncDispose]: async () => {
        this.left += 1;
        if (this.#reader === reader) this.#reader = undefined;
        this.#poke();
      },
    };
  }

  async *#output(reader: symbol): AsyncGenerator<Chunk> {
    const flood = this.order.command[0] === 'flood';
    while (this.#reader === reader) {
      for (let chunk = this.#chunks.shift(); chunk !== undefined; chunk = this.#chunks.shift()) yield chunk;
      if (this.#ended !== undefined) return;
      if (flood) {
        const data = new Uint8Array(65_536).fill(120);
        this.produced += data.length;
        yield { stream: 'stdout', data };
        continue;
      }
      await this.#wake.promise;
    }
  }

  #say(stream: 'stdout' | 'stderr', text: string): void {
    this.emit(stream, Buffer.from(text));
  }

  #poke(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}

/** A journal that can be added to. */
export class FakeJournal {
  readonly chunks: LogChunk[] = [];
  readers = 0;
  read = 0;
  ended = false;
  #wake = Promise.withResolvers<void>();

  add(text: string | Uint8Array, stream: LogChunk['stream'] = 'stdout'): void {
    const data = typeof text === 'string' ? Buffer.from(text) : text;
    this.chunks.push({ seq: this.chunks.length + 1, time: 1_800_000_000_000.5, stream, data });
    this.#poke();
  }

  end(): void {
    this.ended = true;
    this.#poke();
  }

  async *follow(
    options: { since: number; follow: boolean; tail?: number },
    signal: AbortSignal,
  ): AsyncGenerator<LogChunk> {
    this.readers += 1;
    const onAbort = () => this.#poke();
    signal.addEventListener('abort', onAbort);
    try {
      let seen = Math.max(options.since, options.tail === undefined ? 0 : this.chunks.length - options.tail);
      while (!signal.aborted) {
        for (const chunk of this.chunks.slice(seen)) {
          seen = chunk.seq;
          this.read += 1;
          yield chunk;
        }
        if (!options.follow || this.ended) return;
        await this.#wake.promise;
      }
    } finally {
      this.readers -= 1;
      signal.removeEventListener('abort', onAbort);
    }
  }

  #poke(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}

export interface FakeEngineParts {
  readonly engine: Engine;
  readonly execs: FakeExec[];
  readonly journal: FakeJournal;
  readonly files: FakeFiles;
}

export function fakeEngine(): FakeEngineParts {
  const execs: FakeExec[] = [];
  const journal = new FakeJournal();
  const files = new FakeFiles();
  const find = (target: Target, id: string): FakeExec => {
    const found = execs.find((one) => one.id === id && one.sandbox === target.id);
    if (found === undefined) throw new ArcError('exec_not_found', `there is no command ${id}`);
    return found;
  };
  const engine: Engine = {
    name: 'fake',
    capabilities: { exec: true, files: true, logs: true, stats: true, park: false, placeOnNode: false },
    nodes: async () => [
      {
        name: 'local',
        levels: [{ level: 'container', available: true, runtime: 'crun', note: 'namespaces' }],
        memoryBytes: 1024,
        cpus: 2,
        sandboxes: 1,
        kernel: '6.18',
        cgroup: 'v2',
      },
    ],
    create: async () => ({ node: 'local', address: '10.199.0.1', runtime: 'crun' }),
    probe: async () => true,
    stop: async () => {},
    destroy: async () => {},
    list: async () => [],
    watch: () => () => {},
    execs: {
      start: async (target, id, order) => {
        const exec = new FakeExec(target, id, order);
        execs.push(exec);
        return exec.join();
      },
      join: async (target, id) => find(target, id).join(),
      list: async (target) => execs.filter((one) => one.sandbox === target.id).map((one) => one.info()),
      signal: async (target, id, name) => find(target, id).signal(name),
    },
    files: { open: async () => files.session() },
    logs: { read: (_id, options, signal) => journal.follow(options, signal) },
    stats: {
      stats: async () => ({
        cpuMs: 12.5,
        memoryBytes: 700_000,
        pids: 1,
        rxBytes: 1,
        txBytes: 2,
        logBytes: 3,
        logDropped: 0,
      }),
      processes: async () => [{ pid: 1, ppid: 0, uid: 0, state: 'S', rssBytes: 4096, command: '/whoami' }],
    },
  };
  return { engine, execs, journal, files };
}
