import { asArcError } from '../../contract/errors.ts';
import type { Exit } from '../../contract/spec.ts';
import type { ExecInfo, ExecStream, FileSession, Target } from '../../engines/engine.ts';
import { breathing } from '../../kit/breathe.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/logger.ts';
import { Places } from '../../kit/places.ts';
import { entryOf, execOf, exitOf, targetOf } from './answers.ts';
import { joinExec } from './exec-stream.ts';
import { openFiles } from './file-session.ts';
import { type Answer, HelperLink, unavailable } from './link.ts';
import { PipeKeeper } from './pipe-keeper.ts';
import type { HelperEntry, HelperExec, HelperStart, NodeHelper } from './port.ts';
import { signalNumber } from './signals.ts';
import { startFields } from './start-fields.ts';
import { type Field, Fields, FRAME_BYTES_MAX, type Frame, MESSAGE } from './wire.ts';

/** How long a call waits for the helper to be there again before it gives up. */
const CONNECT_WAIT_MS = 5_000;
const RETRY_MS_MIN = 10;
const RETRY_MS_MAX = 1_000;
/** Workers of the helper that start something at once: more would only wait for each other. */
const STARTS_AT_ONCE_MAX = 8;
/** Room left in one frame of layer marks for its other fields. */
const MARKS_BYTES_MAX = FRAME_BYTES_MAX / 2;

export interface ClientOptions {
  readonly socket: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called before each try to connect; starts the helper where it is not running (`supervise.ts`). */
  readonly ensure: () => Promise<void>;
  /** Where the cgroup files of a sandbox are. */
  readonly paths: NodeHelper['cgroupPaths'];
}

const of = (target: Target): Field[] => [
  ['id', target.id],
  ['inc', target.incarnation],
];

async function entriesOf({ items }: Answer): Promise<readonly HelperEntry[]> {
  const entries: HelperEntry[] = [];
  for await (const fields of breathing(items)) entries.push(entryOf(fields));
  return entries;
}

/** NodeHelper over the helper's socket. It connects again by itself, for as long as it is not disposed of. */
export class HelperClient implements NodeHelper {
  readonly #options: ClientOptions;
  readonly #exits = new Set<(target: Target, exit: Exit) => void>();
  readonly #connections = new Set<(up: boolean) => void>();
  readonly #stop = new AbortController();
  readonly #starts = new Places(STARTS_AT_ONCE_MAX);
  readonly #ends = new Places(STARTS_AT_ONCE_MAX);
  readonly #pipes = new PipeKeeper();
  #link: HelperLink | undefined;
  #listing: Promise<readonly HelperEntry[]> | undefined;
  #hello: Fields | undefined;
  #connecting: Promise<HelperLink> | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Connected for the first time. Throws what keeps the helper from being there. */
  async connect(): Promise<void> {
    await this.#control();
  }

  async start(order: HelperStart): Promise<{ pid: number; pidStart: number }> {
    const { fields } = await this.#starts.run(async () => {
      const link = await this.#control();
      return link.request(MESSAGE.start, startFields(order, this.#cgroupVersion));
    });
    this.#pipes.keep(order.id, order.dir);
    return { pid: fields.number('pid'), pidStart: fields.number('pidStart') };
  }

  async list(): Promise<readonly HelperEntry[]> {
    // Asked together it is answered together; the question goes out after everybody who shares it has asked.
    this.#listing ??= Promise.resolve().then(async () => {
      this.#listing = undefined;
      return await entriesOf(await this.#surely(MESSAGE.list, []));
    });
    return await this.#listing;
  }

  async stop(target: Target): Promise<void> {
    await this.#ends.run(() => this.#surely(MESSAGE.stop, of(target)));
  }

  async destroy(target: Target): Promise<void> {
    await this.#ends.run(() => this.#surely(MESSAGE.destroy, of(target)));
  }

  async signal(target: Target, name: string): Promise<void> {
    await this.#request(MESSAGE.signal, [...of(target), ['signal', signalNumber(name)]]);
  }

  onExit(listener: (target: Target, exit: Exit) => void): () => void {
    this.#exits.add(listener);
    return () => this.#exits.delete(listener);
  }

  onConnection(listener: (up: boolean) => void): () => void {
    this.#connections.add(listener);
    return () => this.#connections.delete(listener);
  }

  async exec(target: Target, order: HelperExec): Promise<ExecStream> {
    await this.#request(MESSAGE.exec, [
      ...of(target),
      ['exec', order.id],
      ...order.argv.map((arg): Field => ['arg', arg]),
      ['pidFile', order.pidFile],
      ['follow', order.follow],
      ...(order.sealed ? [['sealed', 1] satisfies Field] : []),
      ['timeoutMs', Math.ceil(order.timeoutMs ?? 0)],
      ...(order.tty
        ? ([
            ['tty', 1],
            ['cols', order.tty.cols],
            ['rows', order.tty.rows],
          ] satisfies Field[])
        : []),
      ...(order.consoleSocket === undefined ? [] : [['consoleSocket', order.consoleSocket] satisfies Field]),
      ...order.command.map((word): Field => ['command', word]),
    ]);
    return this.join(target, order.id);
  }

  async join(target: Target, execId: string): Promise<ExecStream> {
    const { link } = await this.#open();
    const control = {
      resize: async (cols: number, rows: number) => {
        await this.#request(MESSAGE.resizeExec, [...of(target), ['exec', execId], ['cols', cols], ['rows', rows]]);
      },
      signal: (name: string) => this.signalExec(target, execId, name),
    };
    return joinExec(link, [...of(target), ['exec', execId]], control);
  }

  async execs(target: Target): Promise<readonly ExecInfo[]> {
    return (await this.#surely(MESSAGE.execs, of(target))).items.map((fields) => execOf(target.id, fields));
  }

  async signalExec(target: Target, execId: string, name: string): Promise<void> {
    await this.#request(MESSAGE.signalExec, [...of(target), ['exec', execId], ['signal', signalNumber(name)]]);
  }

  async files(target: Target, root: string): Promise<FileSession> {
    const { link } = await this.#open();
    return openFiles(link, [...of(target), ['root', root]]);
  }

  async layerMarks(dir: string, whiteouts: readonly string[], opaque: readonly string[]): Promise<void> {
    const marks = [
      ...whiteouts.map((path): Field => ['whiteout', path]),
      ...opaque.map((path): Field => ['opaque', path]),
    ];
    for (let at = 0; at < marks.length; ) {
      const batch: Field[] = [];
      for (let bytes = 0; at < marks.length && bytes < MARKS_BYTES_MAX; at++) {
        const mark = marks[at];
        if (!mark) break;
        bytes += Buffer.byteLength(String(mark[1])) + 16;
        batch.push(mark);
      }
      await this.#surely(MESSAGE.layerMarks, [['dir', dir], ...batch]);
    }
  }

  cgroupPaths(id: string) {
    return this.#options.paths(id);
  }

  /** The helper's own process, for people and for tests. */
  get pid(): number | undefined {
    return this.#hello?.number('pid');
  }

  /** Asks the helper to end. Sandboxes go on; commands and terminals that it holds end. */
  async quit(): Promise<void> {
    this.#stop.abort();
    await this.#link?.request(MESSAGE.quit, []).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#link?.close();
    await this.#connecting?.catch(() => {});
    this.#link?.close();
    await this.#pipes.settle([]);
  }

  get #cgroupVersion(): 1 | 2 {
    return this.#hello?.get('cgroup') === '2' ? 2 : 1;
  }

  async #request(type: number, fields: readonly Field[]): Promise<Answer> {
    return (await this.#control()).request(type, fields);
  }

  /** For what may be asked twice: once more, when the helper was lost before it answered. */
  async #surely(type: number, fields: readonly Field[]): Promise<Answer> {
    try {
      return await this.#request(type, fields);
    } catch (error) {
      if (this.#stop.signal.aborted || asArcError(error).code !== 'helper_unavailable') throw error;
      return this.#request(type, fields);
    }
  }

  /** A further connection, for one stream. */
  async #open(): Promise<{ link: HelperLink; hello: Fields }> {
    await this.#control();
    return HelperLink.open(this.#options.socket);
  }

  #control(): Promise<HelperLink> {
    if (this.#link && !this.#link.closed) return Promise.resolve(this.#link);
    this.#connecting ??= this.#reconnect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #reconnect(): Promise<HelperLink> {
    const { clock } = this.#options;
    const until = clock.monotonic() + CONNECT_WAIT_MS;
    for (let wait = RETRY_MS_MIN; ; wait = Math.min(wait * 2, RETRY_MS_MAX)) {
      if (this.#stop.signal.aborted) throw unavailable('the client of the node helper was closed');
      try {
        await this.#options.ensure();
        return await this.#connected(await HelperLink.open(this.#options.socket));
      } catch (error) {
        if (asArcError(error).code !== 'helper_unavailable' || clock.monotonic() > until) throw error;
      }
      await clock.sleep(wait, this.#stop.signal).catch(() => {});
    }
  }

  async #connected(opened: { link: HelperLink; hello: Fields }): Promise<HelperLink> {
    const { link, hello } = opened;
    link.onFrame = (frame) => this.#event(frame);
    await link.request(MESSAGE.subscribe, []);
    await this.#pipes.settle(await entriesOf(await link.request(MESSAGE.list, [])));
    link.onClose = () => this.#lost(link);
    if (link.closed) throw unavailable('the node helper was lost');
    this.#link = link;
    this.#hello = hello;
    for (const listener of this.#connections) listener(true);
    return link;
  }

  #lost(link: HelperLink): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    if (this.#stop.signal.aborted) return;
    this.#options.logger.warn({}, 'the node helper was lost; starting it again');
    for (const listener of this.#connections) listener(false);
    void this.#comeBack();
  }

  /** Goes on trying: exits of sandboxes are missed for as long as it is away. */
  async #comeBack(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#control();
        return;
      } catch (error) {
        this.#options.logger.error({ error: String(error) }, 'the node helper can not be started again');
        await this.#options.clock.sleep(RETRY_MS_MAX, this.#stop.signal).catch(() => {});
      }
    }
  }

  #event(frame: Frame): void {
    if (frame.type !== MESSAGE.exitEvent) return;
    const fields = new Fields(frame.payload);
    const target = targetOf(fields);
    void this.#pipes.release(target.id);
    for (const listener of this.#exits) listener(target, exitOf(fields));
  }
}
