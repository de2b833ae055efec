import type { AccessToken, AccessTokenRequest } from '../contract/schemas/access.ts';
import type { ExecInfoView } from '../contract/schemas/admin.ts';
import type { ExecRequest, ExecResult, LogEntry, ProcessEntry, Stats } from '../contract/schemas/exec.ts';
import type { LinkRequest, LinkView } from '../contract/schemas/link.ts';
import type { NetworkView } from '../contract/schemas/network.ts';
import type { Sandbox as SandboxView } from '../contract/schemas/sandbox.ts';
import type { Network } from '../contract/schemas/template.ts';
import type { JoinRequest, TerminalRequest } from '../contract/stream.ts';
import { type Context, openSession } from './context.ts';
import { Files } from './files.ts';
import { followLogs, type LogOptions } from './logs.ts';
import type { Session } from './session.ts';

export type ExecOptions = Omit<ExecRequest, 'command' | 'stdin'>;

export interface WaitOptions {
  /** How long to wait for `running`, such as `"30s"`; `"0"` answers at once. */
  readonly wait?: string;
  readonly signal?: AbortSignal;
}

/**
 * One sandbox. `info` is what the API said last; `refresh` asks again. With `await using` it is removed at the end of
 * the block.
 */
export class Sandbox implements AsyncDisposable {
  readonly id: string;
  readonly files: Files;
  #info: SandboxView | undefined;
  readonly #context: Context;
  readonly #path: string;

  constructor(context: Context, id: string, info?: SandboxView) {
    this.#context = context;
    this.id = id;
    this.#info = info;
    this.#path = `/v1/sandboxes/${encodeURIComponent(id)}`;
    this.files = new Files(context, id);
  }

  get info(): SandboxView {
    if (!this.#info) throw new Error('nothing is known of this sandbox yet; call refresh first');
    return this.#info;
  }
  get state(): SandboxView['state'] {
    return this.info.state;
  }
  get url(): string | undefined {
    return this.info.url;
  }

  async refresh(options: { readonly signal?: AbortSignal } = {}): Promise<SandboxView> {
    this.#info = await this.#context.http.json<SandboxView>('GET', this.#path, { signal: options.signal });
    return this.#info;
  }

  /** Resolves when all of it is gone. Removing what is gone already is no error. */
  async remove(): Promise<void> {
    await this.#context.http.json('DELETE', this.#path);
  }

  /** Ends its processes and starts it again; its files stay. */
  restart(options: WaitOptions = {}): Promise<SandboxView> {
    return this.#act('restart', options);
  }

  /** Begins from the template again, under the same id and address. */
  reset(options: WaitOptions = {}): Promise<SandboxView> {
    return this.#act('reset', options);
  }

  /** Lets it live for this long from now, such as `"30m"`. */
  async extend(by: string): Promise<SandboxView> {
    this.#info = await this.#context.http.json<SandboxView>('POST', `${this.#path}/extend`, { json: { by } });
    return this.#info;
  }

  /** Runs a command to its end and gives all of its output. */
  exec(
    command: readonly string[],
    options: ExecOptions & { readonly stdin?: string | Uint8Array; readonly signal?: AbortSignal } = {},
  ): Promise<ExecResult> {
    const { stdin, signal, ...rest } = options;
    const json = { ...rest, command, ...(stdin === undefined ? {} : { stdin: toBase64(stdin) }) };
    return this.#context.http.json<ExecResult>('POST', `${this.#path}/exec`, { json, signal });
  }

  /** Starts a command whose input and output are streams. */
  spawn(command: readonly string[], options: ExecOptions = {}): Promise<Session> {
    return openSession(this.#context, `${this.#path}/exec`, { ...options, command }, `${this.#path}/execs`);
  }

  /** A terminal; without a command, of the first shell that the sandbox has. */
  terminal(request: TerminalRequest): Promise<Session> {
    return openSession(this.#context, `${this.#path}/terminal`, request, `${this.#path}/execs`);
  }

  /** Follows a command or terminal that was started before, by its id. Whoever followed it until now is let go. */
  join(exec: string): Promise<Session> {
    return openSession(
      this.#context,
      `${this.#path}/exec`,
      { join: exec } satisfies JoinRequest,
      `${this.#path}/execs`,
    );
  }

  /** Follows a terminal again, by its id: what it showed last comes first. */
  rejoin(terminal: string): Promise<Session> {
    return openSession(
      this.#context,
      `${this.#path}/terminal`,
      { join: terminal } satisfies JoinRequest,
      `${this.#path}/execs`,
    );
  }

  /** A token that lets through the edge, for sandboxes whose `access` asks for one, and a link with it. */
  accessToken(request: AccessTokenRequest = {}): Promise<AccessToken> {
    return this.#context.http.json<AccessToken>('POST', `${this.#path}/tokens`, { json: request });
  }

  /** Makes a link for the person who uses this sandbox; its `url` is given only now. */
  link(request: LinkRequest = {}): Promise<LinkView> {
    return this.#context.http.json<LinkView>('POST', `${this.#path}/links`, { json: request });
  }

  async links(): Promise<readonly LinkView[]> {
    return (await this.#context.http.json<{ items: LinkView[] }>('GET', `${this.#path}/links`)).items;
  }

  async revokeLink(id: string): Promise<void> {
    await this.#context.http.json('DELETE', `${this.#path}/links/${encodeURIComponent(id)}`);
  }

  /** Sends a signal, such as `SIGTERM`, to a command that somebody else follows. */
  async signal(exec: string, signal: string): Promise<void> {
    const path = `${this.#path}/execs/${encodeURIComponent(exec)}/signal`;
    await this.#context.http.json('POST', path, { json: { signal } });
  }

  async execs(): Promise<readonly ExecInfoView[]> {
    return (await this.#context.http.json<{ items: ExecInfoView[] }>('GET', `${this.#path}/execs`)).items;
  }

  /** Log entries in order. A lost connection is made again by itself, and nothing is given twice. */
  logs(options: LogOptions = {}): AsyncIterable<LogEntry> {
    return followLogs(this.#context, this.id, options);
  }

  /** What it may connect to, and what it was refused lately. */
  network(): Promise<NetworkView> {
    return this.#context.http.json<NetworkView>('GET', `${this.#path}/network`);
  }

  /** Changes what it may connect to, while it runs; connections that are not allowed any more end. */
  async setNetwork(network: Network): Promise<SandboxView> {
    this.#info = await this.#context.http.json<SandboxView>('PATCH', `${this.#path}/network`, { json: { network } });
    return this.#info;
  }

  stats(): Promise<Stats> {
    return this.#context.http.json<Stats>('GET', `${this.#path}/stats`);
  }

  async processes(): Promise<readonly ProcessEntry[]> {
    return (await this.#context.http.json<{ items: ProcessEntry[] }>('GET', `${this.#path}/processes`)).items;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }

  async #act(verb: string, options: WaitOptions): Promise<SandboxView> {
    const query = { wait: options.wait };
    this.#info = await this.#context.http.json<SandboxView>('POST', `${this.#path}/${verb}`, {
      query,
      signal: options.signal,
    });
    return this.#info;
  }
}

function toBase64(content: string | Uint8Array): string {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  let binary = '';
  // In pieces, because a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 8192) binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(binary);
}
