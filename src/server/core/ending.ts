import { ArcError, asArcError } from '../../contract/errors.ts';
import type { Exit } from '../../contract/spec.ts';
import type { Reason } from '../../contract/states.ts';
import { isPending, isUp, transition } from '../../domain/lifecycle.ts';
import type { Write } from '../../store/store.ts';
import type { Core } from './context.ts';
import type { Expiry } from './expiry.ts';
import type { Jobs } from './jobs.ts';
import type { Retention } from './retention.ts';
import { routeOf, type SandboxRow, targetOf, type Versioned } from './row.ts';

export interface Cause {
  readonly reason: Reason;
  readonly detail?: string;
  /** Written in the same commit. */
  readonly audit?: Write;
}

/** How sandboxes end: removed, failed, or stopped because their program did. */
export class Ending {
  readonly #core: Core;
  readonly #jobs: Jobs;
  readonly #expiry: Expiry;
  readonly #retention: Retention;
  /** Removed in the store, and perhaps still there in the engine: a removal that is asked for again tries again. */
  readonly #unfinished = new Set<string>();
  /** Failures that could not be written yet, such as on a full disk. */
  readonly #unwritten = new Map<
    string,
    { readonly incarnation: number; readonly cause: Cause; readonly error: ArcError }
  >();

  constructor(core: Core, parts: { jobs: Jobs; expiry: Expiry; retention: Retention }) {
    this.#core = core;
    this.#jobs = parts.jobs;
    this.#expiry = parts.expiry;
    this.#retention = parts.retention;
  }

  /** Resolves when all of it is gone. `still`: asked of the newest row, so that a late caller removes nothing that has changed. */
  async remove(
    id: string,
    cause: Cause,
    still: (row: SandboxRow) => boolean = () => true,
  ): Promise<SandboxRow | undefined> {
    const { lanes, rows } = this.#core;
    return await lanes.run(id, async () => {
      const found = await rows.read(id);
      if (!found) return undefined;
      if (found.row.state !== 'removed') {
        if (!still(found.row)) return found.row;
        return (await this.#removeNow(found, cause)).row;
      }
      if (this.#unfinished.has(id)) await this.#destroyRemoved(found.row);
      return found.row;
    });
  }

  /** As `remove`, and a start that is under way is broken off first. */
  async cancelAndRemove(id: string, cause: Cause): Promise<SandboxRow | undefined> {
    this.#jobs.cancel(id, new Error('removed while it was starting'));
    return await this.remove(id, cause);
  }

  async #removeNow(found: Versioned, cause: Cause): Promise<Versioned> {
    const { admission, rows, router, waiters } = this.#core;
    const removed = (row: SandboxRow): SandboxRow => {
      if (row.state === 'removed') return row;
      const {
        placement: _gone,
        deadline: _over,
        ...rest
      } = transition(row, 'removed', cause.reason, this.#now(), cause.detail);
      return { ...rest, keepUntil: this.#retention.keepUntil() };
    };
    const also = () => (cause.audit ? [cause.audit] : []);
    let done: Versioned;
    try {
      done = await rows.change(found, removed, also);
    } catch (error) {
      if (asArcError(error).code !== 'disk_full') throw error;
      // The sandbox itself may be what fills the disk. Its address goes before it does.
      await router.withdraw(routeOf(found.row));
      try {
        await this.#core.calls.destroy(targetOf(found.row));
      } finally {
        // Whoever asked the engine meanwhile may have been told that it runs.
        await router.withdraw(routeOf(found.row));
      }
      done = await rows.change(found, removed, also);
    }
    const { row } = done;
    admission.leave(row.id);
    this.#core.vitals.left(row.id);
    this.#expiry.disarm(row.id);
    this.#unwritten.delete(row.id);
    this.#retention.noteRemoved(row);
    await router.set(routeOf(row));
    waiters.reject(row, goneError(row));
    await this.#destroyRemoved(row);
    return done;
  }

  async #destroyRemoved(row: SandboxRow): Promise<void> {
    this.#unfinished.add(row.id);
    try {
      await this.#core.calls.destroy(targetOf(row));
      this.#unfinished.delete(row.id);
    } catch (cause) {
      this.#core.logger.warn({ sandbox: row.id, error: cause }, 'remains of a removed sandbox are still there');
      throw new ArcError('unavailable', `${row.id} is removed, but not all of it is gone yet; Arc goes on trying`, {
        cause,
      });
    }
  }

  /** What the engine no longer holds is finished, whoever finished it. */
  noteHeld(ids: ReadonlySet<string>): void {
    for (const id of this.#unfinished) if (!ids.has(id)) this.#unfinished.delete(id);
  }

  /** The caller holds the lane. Everything of it is destroyed before anybody hears of the failure. */
  async fail(found: Versioned, cause: Cause, error: ArcError, exit?: Exit): Promise<void> {
    const { calls, logger, rows, router, waiters } = this.#core;
    let { row } = found;
    try {
      row = (await rows.change(found, (newest) => this.#failed(newest, cause, error, exit))).row;
      this.#unwritten.delete(row.id);
    } catch (unwritten) {
      logger.warn({ sandbox: row.id, error: unwritten }, 'a failure could not be written yet');
      this.#unwritten.set(row.id, { incarnation: row.incarnation, cause, error });
      row = this.#failed(row, cause, error, exit);
    }
    this.#expiry.disarm(row.id);
    await router.set(routeOf(row));
    try {
      await calls.destroy(targetOf(row));
    } catch (left) {
      logger.warn({ sandbox: row.id, error: left }, 'remains of a failed start are still there');
    }
    waiters.reject(row, error);
  }

  /** A wake that can't be finished now: nothing of it runs, and the next request tries again. The caller holds the lane. */
  async sleepAgain(found: Versioned, cause: Cause, error: ArcError): Promise<void> {
    const { calls, logger, rows, router, waiters } = this.#core;
    const { row } = await rows.change(found, (newest) =>
      isPending(newest.state) && newest.parked
        ? transition(newest, 'stopped', cause.reason, this.#now(), cause.detail)
        : newest,
    );
    await router.set(routeOf(row));
    try {
      await (row.parked?.keep ? calls.stop(targetOf(row)) : calls.destroy(targetOf(row)));
    } catch (left) {
      logger.warn({ sandbox: row.id, error: left }, 'remains of a wake that failed are still there');
    }
    this.#expiry.arm(row);
    waiters.reject(row, error);
  }

  #failed(row: SandboxRow, cause: Cause, error: ArcError, exit: Exit | undefined): SandboxRow {
    if (row.state === 'failed' || row.state === 'removed') return row;
    const {
      placement: _gone,
      deadline: _over,
      parked: _asleep,
      ...rest
    } = transition(row, 'failed', cause.reason, this.#now(), cause.detail);
    return { ...rest, failure: error.code, keepUntil: this.#retention.keepUntil(), ...(exit ? { exit } : {}) };
  }

  /** Tries again to write a failure; `true` when there was one, so that nobody starts it again. The caller holds the lane. */
  async writeOverdueFailure(found: Versioned): Promise<boolean> {
    const overdue = this.#unwritten.get(found.row.id);
    if (!overdue) return false;
    if (overdue.incarnation !== found.row.incarnation) {
      this.#unwritten.delete(found.row.id);
      return false;
    }
    await this.fail(found, overdue.cause, overdue.error);
    return true;
  }

  /** Its program ended. Late news of an earlier incarnation changes nothing. */
  async exited(id: string, incarnation: number, exit: Exit): Promise<void> {
    this.#jobs.exited(id, incarnation, exit);
    await this.#core.lanes.run(id, async () => {
      const found = await this.#core.rows.read(id);
      if (found && found.row.incarnation === incarnation && isUp(found.row.state)) await this.stopped(found, exit);
    });
  }

  /** The caller holds the lane. */
  async stopped(found: Versioned, exit: Exit): Promise<void> {
    const { rows, router, waiters } = this.#core;
    const { row } = await rows.change(found, (newest) => {
      if (!isUp(newest.state)) return newest;
      const { placement: _gone, ...rest } = transition(
        newest,
        'stopped',
        exit.oom ? 'oom' : 'exit',
        this.#now(),
        exit.note,
      );
      return { ...rest, exit };
    });
    await router.set(routeOf(row));
    this.#expiry.arm(row);
    waiters.resolve(row);
  }

  #now(): number {
    return this.#core.clock.now();
  }
}

export function goneError(row: SandboxRow): ArcError {
  const why = row.detail === undefined ? row.reason : `${row.reason}: ${row.detail}`;
  return new ArcError('sandbox_gone', `${row.id} was removed (${why})`, { extra: { reason: row.reason } });
}
