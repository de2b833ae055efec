import type { Readable } from 'node:stream';
import { ArcError } from '../../contract/errors.ts';
import type { Exit } from '../../contract/spec.ts';
import type { ExecInfo, ExecOrder, ExecStream, Target } from '../../engines/engine.ts';
import type { Clock } from '../../kit/clock.ts';
import type { HeldProgram } from './program.ts';

/** Bytes that wait for a reader before the program has to. */
const WAITING_MAX = 256 * 1024;
/** As many as are kept while nobody reads. */
const KEPT_MAX = 1024 * 1024;

type Chunk = { readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array };
type Ended = Exit & { readonly timedOut: boolean };

/** One command of a sandbox: it goes on while nobody reads, and one reader at a time may join it. */
export class HeldCommand {
  readonly #program: HeldProgram;
  readonly #info: Omit<ExecInfo, 'exit'>;
  readonly #chunks: Chunk[] = [];
  #bytes = 0;
  #open = 2;
  #timedOut = false;
  #exit: Ended | undefined;
  /** Whoever reads now; a later one takes its place. */
  #reader: symbol | undefined;
  #wake: () => void = () => {};
  readonly #takenOver = new Map<symbol, (error: Error) => void>();
  readonly ended: Promise<Ended>;

  constructor(program: HeldProgram, about: Target & { readonly execId: string }, order: ExecOrder, clock: Clock) {
    this.#program = program;
    this.#info = {
      ...{ id: about.execId, sandbox: about.id, tty: false, command: order.command, startedAt: clock.now() },
    };
    for (const stream of ['stdout', 'stderr'] as const) this.#collect(stream, program[stream]);
    program.stdin.on('error', () => {}); // it may end without having read all
    const { timeoutMs } = order;
    const cancel = timeoutMs === undefined ? () => {} : clock.after(timeoutMs, () => this.#tooLate());
    this.ended = program.ended.then((exit) => {
      cancel();
      this.#exit = { ...exit, at: clock.now(), timedOut: this.#timedOut };
      this.#wake();
      return this.#exit;
    });
  }

  get info(): ExecInfo {
    return { ...this.#info, ...(this.#exit === undefined ? {} : { exit: this.#exit }) };
  }

  kill(signal: string): void {
    this.#program.kill(signal);
  }

  join(): ExecStream {
    const me = Symbol(this.#info.id);
    for (const tell of this.#takenOver.values())
      tell(new ArcError('conflict', 'another reader has taken this command'));
    this.#takenOver.clear();
    this.#reader = me;
    this.#wake();
    const taken = new Promise<never>((_, reject) => this.#takenOver.set(me, reject));
    taken.catch(() => {});
    const exit = Promise.race([this.ended, taken]);
    exit.catch(() => {}); // whoever only reads need not ask how it ended
    return {
      id: this.#info.id,
      tty: false,
      output: this.#read(me),
      exit,
      write: (data) => this.#write(data),
      closeStdin: async () => void this.#program.stdin.end(),
      resize: async () => {},
      signal: async (name) => this.#program.kill(name),
      [Symbol.asyncDispose]: async () => {
        this.#takenOver.delete(me);
        if (this.#reader === me) this.#reader = undefined;
        this.#wake();
      },
    };
  }

  #tooLate(): void {
    this.#timedOut = true;
    this.#program.kill('SIGKILL');
  }

  #collect(stream: Chunk['stream'], from: Readable): void {
    from.on('data', (data: Buffer) => {
      this.#chunks.push({ stream, data });
      this.#bytes += data.length;
      if (this.#bytes > (this.#reader === undefined ? KEPT_MAX : WAITING_MAX)) this.#pause();
      this.#wake();
    });
    from.on('error', () => {}); // its end says the same
    from.once('close', () => {
      this.#open -= 1;
      this.#wake();
    });
  }

  #pause(): void {
    this.#program.stdout.pause();
    this.#program.stderr.pause();
  }

  async *#read(me: symbol): AsyncGenerator<Chunk> {
    while (this.#reader === me) {
      const next = this.#chunks.shift();
      if (next === undefined) {
        if (this.#open === 0 && this.#exit !== undefined) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      this.#bytes -= next.data.length;
      if (this.#bytes < WAITING_MAX / 2) {
        this.#program.stdout.resume();
        this.#program.stderr.resume();
      }
      yield next;
    }
  }

  async #write(data: Uint8Array): Promise<void> {
    const { stdin } = this.#program;
    if (stdin.destroyed || stdin.writableEnded) throw new ArcError('wrong_state', 'the command takes no more input');
    await new Promise<void>((resolve, reject) =>
      stdin.write(data, (error) => (error ? reject(new ArcError('wrong_state', 'the command is over')) : resolve())),
    );
  }
}
