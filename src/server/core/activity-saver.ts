import type { Core } from './context.ts';

/** Writes now and then who was used when. */
export class ActivitySaver {
  readonly #core: Core;
  #done: Promise<void> = Promise.resolve();

  constructor(core: Core) {
    this.#core = core;
  }

  begin(): void {
    this.#done = this.#loop();
  }

  /** Resolves after the last write. */
  async ended(): Promise<void> {
    await this.#done;
  }

  async #loop(): Promise<void> {
    const { clock, closing, options } = this.#core;
    while (!closing.aborted) {
      await clock.sleep(options.saveActivityMs, closing).catch(() => {});
      await this.#save();
    }
  }

  async #save(): Promise<void> {
    try {
      await this.#core.activity.save();
    } catch (error) {
      this.#core.logger.warn({ error }, 'when sandboxes were used last could not be written yet');
    }
  }
}
