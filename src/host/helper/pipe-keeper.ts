import { close, constants, open } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { breathing } from '../../kit/breathe.ts';
import type { HelperEntry } from './port.ts';

const openFile = promisify(open);
const closeFile = promisify(close);
/** For reading and writing: opening waits for nobody, and nothing is read here. */
const FLAGS = constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/**
 * Keeps the log pipes of what runs open, so that the last words of a program that ends while the helper is being started
 * again are still in them when it is back: a pipe that nobody holds is gone with all that is in it.
 */
export class PipeKeeper {
  readonly #held = new Map<string, Promise<readonly number[]>>();

  keep(id: string, dir: string): void {
    if (this.#held.has(id)) return;
    const pipes = ['stdout', 'stderr'].map((name) => openFile(join(dir, name), FLAGS));
    const opened = Promise.allSettled(pipes).then((all) =>
      all.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
    );
    this.#held.set(id, opened);
  }

  async release(id: string): Promise<void> {
    const held = this.#held.get(id);
    this.#held.delete(id);
    for (const fd of (await held) ?? []) await closeFile(fd);
  }

  /** Holds what runs according to the helper, and nothing else. */
  async settle(entries: readonly HelperEntry[]): Promise<void> {
    const running = entries.filter(({ phase }) => phase === 'running');
    const ids = new Set(running.map(({ id }) => id));
    for (const id of [...this.#held.keys()]) if (!ids.has(id)) await this.release(id);
    for await (const { id, dir } of breathing(running)) this.keep(id, dir);
  }
}
