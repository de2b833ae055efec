import type { ExecInfo, ExecOrder, ExecStream, FileSession, ProcessInfo, Target } from '../../engines/engine.ts';
import { execOf } from '../../host/helper/answers.ts';
import { joinExec } from '../../host/helper/exec-stream.ts';
import { openFiles } from '../../host/helper/file-session.ts';
import { type Answer, HelperLink } from '../../host/helper/link.ts';
import { signalNumber } from '../../host/helper/signals.ts';
import { type Field, type Fields, MESSAGE } from '../../host/helper/wire.ts';
import type { GuestChannel } from './channel/channel.ts';

/** What only a machine is asked, beside the helper's own messages. */
const ASK = { stats: 32, processes: 33 } as const;
/** A machine may say what it likes about itself; more than this is not listened to. */
const PROCESSES_MAX = 4096;

export interface GuestUsage {
  readonly memoryBytes: number;
  readonly pids: number;
  readonly diskBytes: number;
}

/** The first program of one machine, in the words of the helper's protocol. */
export class Guest {
  readonly #channel: GuestChannel;
  #control: Promise<HelperLink> | undefined;

  constructor(channel: GuestChannel) {
    this.#channel = channel;
  }

  get closed(): boolean {
    return this.#channel.closed;
  }

  close(): void {
    this.#channel.close();
  }

  async start(fields: readonly Field[]): Promise<void> {
    await this.#ask(MESSAGE.start, fields);
  }

  async signal(name: string): Promise<void> {
    await this.#ask(MESSAGE.signal, [['signal', signalNumber(name)]]);
  }

  /** @param program `programFields` of the command. @param pid of the sandbox's first process, as the machine counts */
  async exec(target: Target, id: string, order: ExecOrder, program: readonly Field[]): Promise<ExecStream> {
    await this.#ask(MESSAGE.exec, [
      ['exec', id],
      ...program,
      ['pidFile', `/run/${id}.pid`],
      ['follow', 'pid-file'],
      ['timeoutMs', Math.ceil(order.timeoutMs ?? 0)],
      ...(order.tty ? terminal(id, order.tty) : []),
    ]);
    return await this.join(target, id);
  }

  async join(_target: Target, id: string): Promise<ExecStream> {
    const control = {
      resize: async (cols: number, rows: number) => {
        await this.#ask(MESSAGE.resizeExec, [
          ['exec', id],
          ['cols', cols],
          ['rows', rows],
        ]);
      },
      signal: (name: string) => this.signalExec(id, name),
    };
    return await joinExec(await this.#link(), [['exec', id]], control);
  }

  async execs(sandbox: string): Promise<readonly ExecInfo[]> {
    return (await this.#ask(MESSAGE.execs, [])).items.map((fields) => execOf(sandbox, fields));
  }

  async signalExec(id: string, name: string): Promise<void> {
    await this.#ask(MESSAGE.signalExec, [
      ['exec', id],
      ['signal', signalNumber(name)],
    ]);
  }

  async files(): Promise<FileSession> {
    return await openFiles(await this.#link(), []);
  }

  async usage(): Promise<GuestUsage> {
    const { fields } = await this.#ask(ASK.stats, []);
    return { memoryBytes: fields.number('memory'), pids: fields.number('pids'), diskBytes: fields.number('disk') };
  }

  async processes(): Promise<readonly ProcessInfo[]> {
    const link = await this.#link();
    try {
      const { items } = await link.request(ASK.processes, []);
      return items.slice(0, PROCESSES_MAX).map(processOf);
    } finally {
      link.close();
    }
  }

  async #ask(type: number, fields: readonly Field[]): Promise<Answer> {
    this.#control ??= this.#link();
    const control = this.#control;
    control.catch(() => {
      if (this.#control === control) this.#control = undefined;
    });
    const link = await control;
    if (!link.closed) return await link.request(type, fields);
    this.#control = this.#link();
    return await (await this.#control).request(type, fields);
  }

  async #link(): Promise<HelperLink> {
    return (await HelperLink.over(this.#channel.connect())).link;
  }
}

function terminal(id: string, tty: { readonly cols: number; readonly rows: number }): readonly Field[] {
  return [
    ['tty', 1],
    ['cols', tty.cols],
    ['rows', tty.rows],
    ['consoleSocket', `/run/${id}.sock`],
  ];
}

function processOf(fields: Fields): ProcessInfo {
  return {
    pid: fields.number('pid'),
    ppid: fields.number('ppid'),
    uid: fields.number('uid'),
    state: fields.text('state'),
    rssBytes: fields.number('rss'),
    command: fields.text('command'),
  };
}
