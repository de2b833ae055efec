import { isShort, parkedFirst } from '../../domain/pressure.ts';
import type { Core } from './context.ts';
import type { Parker } from './parker.ts';

/** Looks at the memory of the nodes at intervals, and parks the longest idle where it is short. */
export class PressureWatch {
  readonly #core: Core;
  readonly #parker: Parker;
  #done: Promise<void> = Promise.resolve();

  constructor(core: Core, parker: Parker) {
    this.#core = core;
    this.#parker = parker;
  }

  begin(): void {
    if (this.#core.engine.memoryPressure) this.#done = this.#loop().catch(() => {});
  }

  async ended(): Promise<void> {
    await this.#done;
  }

  async #loop(): Promise<void> {
    const { clock, closing, logger, options } = this.#core;
    while (!closing.aborted) {
      await clock.sleep(options.pressureLookMs, closing);
      try {
        await this.#look();
      } catch (error) {
        logger.warn({ error }, 'the memory of the nodes could not be looked at, or something not be parked');
      }
    }
  }

  async #look(): Promise<void> {
    const { activity, engine, logger, options } = this.#core;
    const memory = await engine.memoryPressure?.();
    if (!memory || !isShort(memory, options.pressure)) return;
    const ids = parkedFirst([...activity.pressable()], options.pressure);
    if (ids.length > 0) logger.info({ memory, sandboxes: ids.length }, 'short of memory: parking the longest idle');
    for (const id of ids) await this.#parker.press(id, options.pressure.quietMs);
  }
}
