import { isPending } from '../../domain/lifecycle.ts';
import type { Core } from './context.ts';
import { EXPIRY_RETRY_MS } from './options.ts';
import type { SandboxRow } from './row.ts';

/** One timer for each sandbox with a time to live. What fires is only a hint: the row decides. */
export class Expiry {
  readonly #core: Core;
  readonly #due: (id: string) => Promise<void>;
  readonly #timers = new Map<string, () => void>();

  constructor(core: Core, due: (id: string) => Promise<void>) {
    this.#core = core;
    this.#due = due;
  }

  /** Nothing is due while it waits for its start: its time begins, or goes on, once it runs. */
  arm(row: SandboxRow): void {
    this.disarm(row.id);
    if (!row.deadline || row.state === 'removed' || row.state === 'failed' || isPending(row.state)) return;
    this.#set(row.id, Math.max(0, this.#core.time.left(row.deadline)));
  }

  disarm(id: string): void {
    this.#timers.get(id)?.();
    this.#timers.delete(id);
  }

  close(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  #set(id: string, ms: number): void {
    const cancel = this.#core.clock.after(Math.ceil(ms), () => {
      this.#timers.delete(id);
      this.#due(id).catch((error) => {
        this.#core.logger.warn({ sandbox: id, error }, 'a sandbox whose time is over could not be removed yet');
        if (!this.#core.closing.aborted && !this.#timers.has(id)) this.#set(id, EXPIRY_RETRY_MS);
      });
    });
    this.#timers.set(id, cancel);
  }
}
