import { Agenda } from '../../kit/agenda.ts';
import type { Core } from './context.ts';
import { lifeOf } from './life.ts';
import { EXPIRY_RETRY_MS } from './options.ts';
import type { SandboxRow } from './row.ts';

/** When to look at each sandbox that a limit may stop. What fires is only a hint: the row decides. */
export class Expiry {
  readonly #core: Core;
  readonly #agenda: Agenda;

  constructor(core: Core, due: (id: string) => Promise<void>) {
    this.#core = core;
    this.#agenda = new Agenda(core.clock, (id) => {
      due(id).catch((error) => {
        core.logger.warn({ sandbox: id, error }, 'a sandbox that is due could not be stopped or warned yet');
        if (!core.closing.aborted && !this.#agenda.has(id)) this.#agenda.set(id, EXPIRY_RETRY_MS);
      });
    });
  }

  /** Nothing is due while it waits for its start: its time begins, or goes on, once it runs. */
  arm(row: SandboxRow): void {
    this.#core.activity.track(row);
    const { step, lookInMs } = lifeOf(this.#core, row);
    if (step) this.#agenda.set(row.id, 0);
    else if (lookInMs !== undefined) this.#agenda.set(row.id, lookInMs);
    else this.#agenda.delete(row.id);
  }

  /** Looks at it now. */
  hasten(id: string): void {
    if (!this.#core.closing.aborted) this.#agenda.set(id, 0);
  }

  disarm(id: string): void {
    this.#agenda.delete(id);
  }

  close(): void {
    this.#agenda.close();
  }
}
