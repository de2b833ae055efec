import { ArcError } from '../../contract/errors.ts';
import { isPending, transition } from '../../domain/lifecycle.ts';
import type { Waker } from '../service.ts';
import type { Core } from './context.ts';
import { goneError } from './ending.ts';
import { nextLife } from './node-lost.ts';
import { beginWait, verdict, type Wait } from './outcome.ts';
import { asleepForGood, type Parker } from './parker.ts';
import { routeOf, type SandboxRow, type Versioned } from './row.ts';
import type { Starter } from './starter.ts';

const NEVER = new AbortController().signal;

/** Brings back what is parked: one flight for each, however many ask for it. */
export class Waking implements Waker {
  readonly #core: Core;
  readonly #parker: Parker;
  readonly #starter: Starter;
  readonly #flights = new Map<string, Promise<void>>();

  constructor(core: Core, parts: { parker: Parker; starter: Starter }) {
    this.#core = core;
    this.#parker = parts.parker;
    this.#starter = parts.starter;
  }

  wake(id: string): Promise<void> {
    const under = this.#flights.get(id);
    if (under) return under;
    const flight = this.#wake(id).finally(() => this.#flights.delete(id));
    this.#flights.set(id, flight);
    return flight;
  }

  async #wake(id: string): Promise<void> {
    if (this.#core.closing.aborted) throw new ArcError('unavailable', 'Arc is stopping');
    const wait = await this.#core.lanes.run(id, async () => {
      const found = await this.#core.rows.read(id);
      if (!found) throw new ArcError('sandbox_not_found', `there is no sandbox ${id.slice(0, 80)}`);
      return await this.#begin(found);
    });
    if (wait) await this.#arrived(id, wait);
  }

  /** Gives what must be waited for; nothing where it runs already. The caller holds the lane. */
  async #begin(found: Versioned): Promise<Wait | undefined> {
    const { activity, router } = this.#core;
    const { row } = found;
    // Use first, so that nobody parks it again before whoever wakes it has come.
    activity.touch(row.id);
    if (row.state === 'removed') throw goneError(row);
    if (row.state === 'frozen') await this.#parker.thaw(found);
    else if (row.state === 'running' || row.state === 'warned') await router.set(routeOf(row));
    else if (isPending(row.state)) return beginWait(this.#core, row.id, row.incarnation);
    else if (row.state === 'stopped' && row.parked) return await this.#start(found);
    else throw asleepForGood(row);
    return undefined;
  }

  async #start(found: Versioned): Promise<Wait> {
    const { clock, router, rows } = this.#core;
    const { id } = found.row;
    const reserved = this.#starter.reserve(id);
    const awake = (row: SandboxRow): SandboxRow => {
      if (row.state !== 'stopped' || !row.parked) return row;
      const next = nextLife(row, 'wake', clock.now(), !row.parked.keep);
      return reserved ? transition(next, 'starting', 'wake', clock.now()) : next;
    };
    let next: Versioned;
    try {
      next = await rows.change(found, awake);
    } catch (error) {
      if (reserved) this.#starter.release(id);
      throw error;
    }
    const wait = beginWait(this.#core, id, next.row.incarnation);
    await router.set(routeOf(next.row));
    if (reserved) this.#starter.begin(next);
    else this.#starter.enqueue(id, next.row.owner);
    return wait;
  }

  async #arrived(id: string, wait: Wait): Promise<void> {
    try {
      // It may have arrived before the wait began.
      const found = await this.#core.rows.read(id);
      const settled = found && verdict(found.row);
      if (settled?.state === 'running' || settled?.state === 'warned') return;
      if (settled) throw asleepForGood(settled);
      const outcome = await wait.outcome({ waitMs: this.#core.options.wakeMs, signal: NEVER });
      if (outcome.kind !== 'settled') {
        throw new ArcError('starting', `${id} is being woken, which takes longer than usual`);
      }
    } finally {
      wait.leave();
    }
  }
}
