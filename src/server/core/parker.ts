import { ArcError, asArcError } from '../../contract/errors.ts';
import { formatDuration } from '../../contract/units.ts';
import type { End, LifeStep, Stops } from '../../domain/life-plan.ts';
import { transition } from '../../domain/lifecycle.ts';
import type { StopsRecord } from '../service.ts';
import type { Busy } from './busy.ts';
import type { Core } from './context.ts';
import type { Ending } from './ending.ts';
import type { Expiry } from './expiry.ts';
import { lifeOf, pressedTo } from './life.ts';
import type { Notices } from './notices.ts';
import { routeOf, type SandboxRow, targetOf, type Versioned } from './row.ts';

export interface ParkerParts {
  readonly expiry: Expiry;
  readonly ending: Ending;
  readonly notices: Notices;
  readonly busy: Busy;
}

/** Why one is parked, and whether it still holds when all who use it from now on are held. */
interface Case {
  readonly reason: 'hard-limit' | 'ttl' | 'pressure';
  readonly still: (row: SandboxRow) => boolean;
}

/** Warns, parks and ends what its limits say, each time decided from the newest row and the newest use. */
export class Parker {
  readonly #core: Core;
  readonly #parts: ParkerParts;

  constructor(core: Core, parts: ParkerParts) {
    this.#core = core;
    this.#parts = parts;
  }

  /** Its time may have come. */
  async look(id: string): Promise<void> {
    const gone = await this.#core.lanes.run(id, async () => {
      const found = await this.#core.rows.read(id);
      if (!found || this.#core.closing.aborted) return undefined;
      await this.#parts.busy.look(found.row);
      const plan = lifeOf(this.#core, found.row);
      if (plan.step?.do === 'end' && plan.step.then === 'removed') return plan.step.reason;
      const { row } = await this.#apply(found, plan.step, plan.stops);
      this.#parts.expiry.arm(row);
      return undefined;
    });
    if (gone === undefined) return;
    const over = (row: SandboxRow) => {
      const { step } = lifeOf(this.#core, row);
      return step?.do === 'end' && step.then === 'removed';
    };
    const row = await this.#parts.ending.remove(id, { reason: gone }, over);
    if (row) this.#parts.expiry.arm(row);
  }

  async #apply(found: Versioned, step: LifeStep | undefined, stops: Stops | undefined): Promise<Versioned> {
    switch (step?.do) {
      case undefined:
        return found;
      case 'warn':
        return stops ? await this.#warn(found, step.reason, stops) : found;
      case 'calm':
        return await this.#core.rows.change(found, (row) => {
          const wanted = lifeOf(this.#core, row).step;
          return wanted?.do === 'calm' ? transition(row, 'running', 'wake', this.#core.clock.now()) : row;
        });
      case 'end': {
        const due = (row: SandboxRow) => {
          const now = lifeOf(this.#core, row).step;
          return now?.do === 'end' && now.then === step.then;
        };
        return await this.#park(found, step.then, { reason: step.reason, still: due });
      }
    }
  }

  async #warn(found: Versioned, reason: 'soft-limit' | 'ttl', stops: Stops): Promise<Versioned> {
    const { activity, clock, rows, router } = this.#core;
    const { idle } = found.row.spec;
    // Whoever looks late gives it the time between its limits all the same.
    if (reason === 'soft-limit' && idle?.softMs !== undefined && stops.inMs < idle.hardMs - idle.softMs) {
      activity.setQuiet(found.row.id, idle.softMs);
    }
    const inMs = lifeOf(this.#core, found.row).stops?.inMs ?? stops.inMs;
    const now = clock.now();
    const warning: StopsRecord = { at: Math.round(now + inMs), why: stops.why, then: stops.then };
    const text = words(stops, inMs);
    const done = await rows.change(found, (row) =>
      row.state === 'running' || row.state === 'warned'
        ? { ...transition(row, 'warned', reason, now, text), warning }
        : row,
    );
    await router.set(routeOf(done.row));
    this.#parts.notices.tell(found.row.id, text);
    return done;
  }

  /** The node is short of memory and it has been idle for long. What it becomes is what its policy would make of it. */
  async press(id: string, quietMs: number): Promise<void> {
    const { activity, lanes, rows } = this.#core;
    await lanes.tryRun(id, async () => {
      const found = await rows.read(id);
      const then = found && pressedTo(found.row);
      if (!found || !then) return;
      const still = (row: SandboxRow) => pressedTo(row) === then && activity.quiet(id) >= quietMs;
      const { row } = await this.#park(found, then, { reason: 'pressure', still });
      this.#parts.expiry.arm(row);
    });
  }

  /**
   * From the first line on whoever comes is held at the edge, and what came before has been counted as use: so the second
   * look at its use is the last word, and nobody is cut off. The caller holds the lane.
   */
  async #park(found: Versioned, then: End, why: Case): Promise<Versioned> {
    const { activity, rows, router } = this.#core;
    if (then === 'removed') return found;
    await router.set({ ...routeOf(found.row), wakes: true });
    const quiet = activity.quiet(found.row.id);
    let parked = false;
    try {
      const now = this.#core.clock.now();
      const done = await rows.change(found, (row) => {
        if (!why.still(row)) return row;
        const next = transition(row, then, why.reason, now);
        if (then === 'frozen') return next;
        const { placement: _gone, ...rest } = next;
        // Stopped by its time to live it waits for somebody who gives it more; a request is not enough.
        return why.reason === 'ttl' ? rest : { ...rest, parked: { keep: row.spec.idle?.keep ?? false } };
      });
      if (done === found || done.row.state !== then) return done;
      parked = true;
      activity.track(done.row);
      await router.set(routeOf(done.row));
      if (then === 'stopped') return await this.#clear(done);
      // A byte on a connection that stays open may have come while the row was being written.
      return activity.quiet(done.row.id) < quiet ? await this.thaw(done) : await this.#freeze(done);
    } finally {
      if (!parked) await router.set(routeOf(found.row));
    }
  }

  async #freeze(found: Versioned): Promise<Versioned> {
    const { activity, calls, logger } = this.#core;
    try {
      await calls.freeze(targetOf(found.row));
      return found;
    } catch (error) {
      // It can't stand still, so it goes on, and is asked again when it has been idle for as long once more.
      logger.warn({ sandbox: found.row.id, error }, 'a sandbox could not be frozen');
      activity.touch(found.row.id);
      return await this.thaw(found, `it could not be frozen: ${asArcError(error).message}`);
    }
  }

  /** It runs before its row says so: nobody is sent to one that stands still. The caller holds the lane. */
  async thaw(found: Versioned, detail?: string): Promise<Versioned> {
    const { calls, clock, rows, router } = this.#core;
    await calls.thaw(targetOf(found.row));
    const done = await rows.change(found, (row) =>
      row.state === 'frozen' ? transition(row, 'running', 'wake', clock.now(), detail) : row,
    );
    await router.set(routeOf(done.row));
    this.#parts.expiry.arm(done.row);
    return done;
  }

  /** Nothing of it runs any more. What is left over is removed by the next pass. */
  async #clear(found: Versioned): Promise<Versioned> {
    const { calls, logger } = this.#core;
    const { row } = found;
    const keeps = row.parked === undefined || row.parked.keep;
    try {
      await (keeps ? calls.stop(targetOf(row)) : calls.destroy(targetOf(row)));
    } catch (error) {
      logger.warn({ sandbox: row.id, error }, 'a sandbox is stopped, but not all of it is gone yet');
    }
    return found;
  }
}

function words({ why, then }: Stops, inMs: number): string {
  const left = formatDuration(Math.max(1_000, Math.round(inMs / 1_000) * 1_000));
  return why === 'ttl'
    ? `It will be ${then} in ${left}, when its time to live is over. Extending it puts that off.`
    : `It will be ${then} in ${left}, because nobody uses it. Any use puts that off.`;
}

/** Thrown to who wants to wake what can't be woken. */
export function asleepForGood(row: SandboxRow): ArcError {
  return new ArcError('wrong_state', `${row.id} is ${row.state} (${row.reason})`, {
    extra: { state: row.state, reason: row.reason },
  });
}
