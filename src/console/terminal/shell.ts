import { signal } from '@preact/signals';
import { ArcError, type Sandbox, type Session } from '../../sdk/index.ts';
import { after, sleep } from '../lib/clock.ts';
import type { Screen } from './screen.ts';

/** One shell and its screen. A lost connection is made again, by itself, to the same shell. */

const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 5_000;
/** How long after a shell is joined again what the screen itself says is not sent: it answers questions of the past. */
const REPLAY_MS = 250;

export class Shell {
  readonly state = signal('Connecting…');
  readonly ended = signal(false);
  readonly #sandbox: Sandbox;
  readonly #screen: Screen;
  readonly #onId: (id: string) => void;
  #session: Session | undefined;
  #id: string | undefined;
  #closed = false;
  #replaying = false;
  #size = { cols: 80, rows: 24 };

  /** @param id of a shell that runs already. */
  constructor(sandbox: Sandbox, screen: Screen, options: { id?: string | undefined; onId: (id: string) => void }) {
    this.#sandbox = sandbox;
    this.#screen = screen;
    this.#id = options.id;
    this.#onId = options.onId;
    screen.terminal.onData((text) => this.#type(text));
    screen.terminal.onBinary((text) => this.#type(Uint8Array.from(text, (char) => char.charCodeAt(0))));
  }

  async run(): Promise<void> {
    this.#size = this.#screen.fit();
    for (let failures = 0; !this.#closed; failures++) {
      try {
        this.#session = await this.#connect();
        failures = 0;
        this.state.value = 'Connected';
        if (await this.#follow(this.#session)) return;
      } catch (error) {
        if (this.#closed || this.#isOver(error)) return;
      }
      this.#session = undefined;
      if (this.#closed) return;
      this.state.value = 'The connection was lost. Trying again…';
      await sleep(Math.min(RETRY_FIRST_MS * 2 ** failures, RETRY_MAX_MS));
    }
  }

  resize(): void {
    const size = this.#screen.fit();
    if (size.cols === this.#size.cols && size.rows === this.#size.rows) return;
    this.#size = size;
    this.#session?.resize(size.cols, size.rows).catch(() => {});
  }

  /** Ends the shell as closing the window of a terminal would. */
  close(): void {
    this.#closed = true;
    this.#session?.signal('SIGHUP').catch(() => {});
    after(RETRY_FIRST_MS, () => this.#session?.leave());
    this.#screen.dispose();
  }

  /** Lets go of it; it goes on in the sandbox. */
  leave(): void {
    this.#closed = true;
    this.#session?.leave();
    this.#screen.dispose();
  }

  async #connect(): Promise<Session> {
    if (this.#id === undefined) {
      const session = await this.#sandbox.terminal(this.#size);
      this.#id = session.id;
      this.#onId(session.id);
      return session;
    }
    const session = await this.#sandbox.rejoin(this.#id);
    // What it showed last comes again from the sandbox, so the screen begins empty.
    this.#screen.terminal.reset();
    this.#replaying = true;
    after(REPLAY_MS, () => {
      this.#replaying = false;
    });
    await session.resize(this.#size.cols, this.#size.rows);
    return session;
  }

  /** @returns whether the shell has ended. */
  async #follow(session: Session): Promise<boolean> {
    for await (const { data } of session.output) {
      // The next chunk is taken when this one is drawn: a flood slows the sandbox down and not the page.
      await new Promise<void>((drawn) => this.#screen.terminal.write(data, drawn));
    }
    const exit = await session.exit;
    this.#end(exit.signal === null ? `The shell has ended (${exit.code})` : `The shell was ended (${exit.signal})`);
    return true;
  }

  #isOver(error: unknown): boolean {
    if (!(error instanceof ArcError) || error.retryable) return false;
    this.#end(error.code === 'exec_not_found' ? 'This shell is over, or is used elsewhere' : error.message);
    return true;
  }

  #end(text: string): void {
    this.state.value = text;
    this.ended.value = true;
  }

  #type(data: string | Uint8Array): void {
    if (!this.#replaying || this.#screen.isTyping()) this.#session?.write(data).catch(() => {});
  }
}
