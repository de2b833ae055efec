import { ArcError, asArcError, type ErrorCode } from '../../contract/errors.ts';
import type { Exit } from '../../contract/spec.ts';
import type { Reason } from '../../contract/states.ts';
import { isPending, transition } from '../../domain/lifecycle.ts';
import { missingCapability } from '../../domain/missing-capability.ts';
import type { CreateOrder, Placement } from '../../engines/engine.ts';
import type { Core } from './context.ts';
import type { Ending } from './ending.ts';
import type { Expiry } from './expiry.ts';
import { placeFiles } from './files.ts';
import type { Job, Jobs } from './jobs.ts';
import { lastWords } from './last-words.ts';
import { nowRunning } from './now-running.ts';
import type { Pools } from './pool/pools.ts';
import { untilReady } from './readiness.ts';
import { orderOf, routeOf, type SandboxRow, type Versioned, withEnv } from './row.ts';

/** Tries to end an earlier incarnation before its next one is given up. */
const CLEAR_TRIES_MAX = 3;
/** ms between them. */
const CLEAR_RETRY_MS = 200;

/** Failures that say nothing of this machine. */
const OF_THE_PROGRAM: ReadonlySet<ErrorCode> = new Set([
  ...(['command_not_found', 'capability_missing', 'memory_too_small', 'isolation_unavailable'] as const),
  ...(['not_ready', 'file_denied', 'file_refused', 'file_not_found', 'invalid_request'] as const),
]);

/** How a start comes to be done by us. */
export interface Origin {
  /** The row as it was just written, so that it need not be read again. */
  readonly known?: Versioned;
  /** Begun by an earlier run of Arc. */
  readonly resumed?: boolean;
  /** That run left something of it half-made. */
  readonly partial?: boolean;
}

/** Starts sandboxes, a bounded number at once, in the order of asking. */
export class Starter {
  readonly #core: Core;
  readonly #jobs: Jobs;
  readonly #expiry: Expiry;
  readonly #ending: Ending;
  readonly #pools: Pools;
  /** Closed until the first pass over store and engine: before it an address may still have an owner. */
  #open = false;
  readonly #runs = new Set<Promise<void>>();

  constructor(core: Core, parts: { jobs: Jobs; expiry: Expiry; ending: Ending; pools: Pools }) {
    this.#pools = parts.pools;
    this.#core = core;
    this.#jobs = parts.jobs;
    this.#expiry = parts.expiry;
    this.#ending = parts.ending;
  }

  open(): void {
    if (this.#open) return;
    this.#open = true;
    this.#pump();
  }

  /** Takes a place among the starts at once, if one is free; `begin` must follow, or `release`. */
  reserve(id: string): boolean {
    return this.#open && !this.#core.closing.aborted && this.#core.admission.tryBegin(id);
  }

  release(id: string): void {
    this.#core.admission.leave(id);
    this.#pump();
  }

  begin(known: Versioned): void {
    this.#launch(known.row.id, { known });
  }

  /** Waits for its turn. */
  enqueue(id: string, owner: string, origin: Origin = {}): void {
    if (this.#core.admission.has(id)) return;
    this.#core.vitals.waits(id);
    this.#core.admission.push(id, owner, origin);
    this.#pump();
  }

  #pump(): void {
    if (!this.#open || this.#core.closing.aborted) return;
    for (let next = this.#core.admission.next(); next; next = this.#core.admission.next()) {
      this.#launch(next.id, next.remembered);
    }
    this.#pools.kick();
  }

  /** Resolves when every start that is under way has come to an end. */
  async ended(): Promise<void> {
    await Promise.all(this.#runs);
  }

  #launch(id: string, origin: Origin): void {
    const run = this.#run(id, origin).finally(() => this.#runs.delete(run));
    this.#runs.add(run);
  }

  async #run(id: string, origin: Origin): Promise<void> {
    const { admission, lanes, logger } = this.#core;
    try {
      await lanes.run(id, async () => {
        try {
          await this.#start(id, origin);
        } finally {
          // Inside the lane, so that whoever comes next may queue it again.
          this.#jobs.end(id);
          this.#core.vitals.left(id);
          admission.leave(id);
        }
      });
    } catch (error) {
      logger.error({ sandbox: id, error }, 'a start ended in an unexpected way; the next pass looks at it again');
    }
    this.#pump();
  }

  async #start(id: string, origin: Origin): Promise<void> {
    const { closing, rows } = this.#core;
    let found = origin.known ?? (await rows.read(id));
    if (!found || !isPending(found.row.state) || closing.aborted) return;
    if (await this.#ending.writeOverdueFailure(found)) return;
    // What an earlier run left half-made is of an incarnation that is over; each try has its own.
    if (origin.partial) found = await this.#nextTry(found);
    const job = this.#jobs.begin(id, found.row.incarnation);
    try {
      if (found.row.state === 'queued') {
        found = await rows.change(found, (row) =>
          row.state === 'queued' ? transition(row, 'starting', row.reason, this.#core.clock.now(), row.detail) : row,
        );
      }
      await this.#clearEarlier(found.row, job.cancel.signal);
      await this.#made(found, job, origin);
    } catch (error) {
      // Whoever cancelled it answers for the row: a removal, or the next run of Arc.
      if (job.cancel.signal.aborted) return;
      await this.#failed(found, job, error);
    }
  }

  async #made(found: Versioned, job: Job, origin: Origin): Promise<void> {
    const { engine, secrets, vitals } = this.#core;
    const { row } = found;
    const about = { id: row.id, level: row.spec.isolation };
    vitals.begins(about);
    const secret = await secrets.placed(row);
    const order = withEnv(orderOf(row), secret.env);
    const placement = await vitals.phase(about, 'create', () => this.#created(order, job.cancel.signal));
    const all = { ...row.files, ...secret.files };
    if (row.fresh && Object.keys(all).length > 0) {
      await vitals.phase(about, 'files', () => placeFiles(engine, row, all, secret.modes));
    }
    await vitals.phase(about, 'ready', () => untilReady(this.#core, row, job));
    await vitals.phase(about, 'commit', () => this.#running(found, placement, origin));
    vitals.started();
  }

  /** Where the node has no room, warm sandboxes that nobody has claimed make some. */
  async #created(order: CreateOrder, signal: AbortSignal): Promise<Placement> {
    const { calls } = this.#core;
    try {
      return await calls.create(order, signal);
    } catch (error) {
      const full = error instanceof ArcError && error.code === 'at_capacity';
      if (!full || !(await this.#pools.makeRoom())) throw error;
      return await calls.create(order, signal);
    }
  }

  async #nextTry(found: Versioned): Promise<Versioned> {
    const { incarnation } = found.row;
    return await this.#core.rows.change(found, (row) =>
      row.incarnation === incarnation ? { ...row, incarnation: incarnation + 1 } : row,
    );
  }

  /** A restart wants the writable layer of before, a reset does not. */
  async #clearEarlier(row: SandboxRow, signal: AbortSignal): Promise<void> {
    if (row.incarnation === 1) return;
    const { calls, clock } = this.#core;
    const earlier = { id: row.id, incarnation: row.incarnation - 1 };
    for (let tries = 1; ; tries++) {
      try {
        await (row.fresh ? calls.destroy(earlier) : calls.stop(earlier));
        return;
      } catch (error) {
        if (tries >= CLEAR_TRIES_MAX) throw error;
        await clock.sleep(CLEAR_RETRY_MS, signal);
      }
    }
  }

  async #running(found: Versioned, placement: Placement, origin: Origin): Promise<void> {
    const { rows, router, waiters } = this.#core;
    const reason: Reason = origin.resumed ? 'adopted' : 'ready';
    const running = (row: SandboxRow): SandboxRow => ({ ...nowRunning(this.#core, row, reason), placement });
    // Before anybody can read that it runs, its address answers.
    await router.set(routeOf(running(found.row)));
    const { row } = await rows.change(found, running);
    this.#expiry.arm(row);
    waiters.resolve(row);
  }

  async #failed(found: Versioned, job: Job, thrown: unknown): Promise<void> {
    const error = asArcError(thrown, 'start_failed');
    const early = job.exit && error.code !== 'disk_full' ? job.exit : undefined;
    if (!early && !OF_THE_PROGRAM.has(error.code)) this.#core.vitals.startFailed();
    const said = await lastWords(this.#core, found.row, error.code === 'not_ready' || early !== undefined);
    const advised = missingCapability(said, found.row.spec) ?? early?.note;
    const why = early ? `its program ended before it was ready (${howItEnded(early)})` : error.message;
    const detail = advised === undefined ? why : `${why}; ${typeof advised === 'string' ? advised : advised.message}`;
    const cause = {
      reason: early ? (early.oom ? 'oom' : 'exit') : reasonOf(error.code),
      detail: `${detail}${said}`,
    } as const;
    const told = toldOf(error, cause.detail, early, advised instanceof ArcError ? advised : undefined);
    this.#core.logger.info({ sandbox: found.row.id, code: told.code, error }, 'a sandbox could not be started');
    // What sleeps loses nothing because there is no room for it right now.
    if (found.row.parked && (told.retryable || found.row.parked.keep)) {
      await this.#ending.sleepAgain(found, { ...cause, reason: reasonOf(told.code) }, told);
      return;
    }
    await this.#ending.fail(found, cause, told, early);
  }
}

/** What the caller is told: the nearest cause that can be mended, with all that is known in its words. */
function toldOf(error: ArcError, detail: string, early: Exit | undefined, advised: ArcError | undefined): ArcError {
  if (early?.oom) return new ArcError('memory_too_small', detail, { cause: error });
  if (advised) return new ArcError(advised.code, detail, { cause: error, extra: advised.extra, hint: advised.hint });
  if (early) return new ArcError('start_failed', detail, { cause: error });
  return new ArcError(error.code, detail, { cause: error, extra: error.extra, hint: error.hint });
}

function reasonOf(code: ErrorCode): Reason {
  return code === 'not_ready' ? 'not-ready' : 'start-failed';
}

function howItEnded(exit: Exit): string {
  if (exit.oom) return 'out of memory';
  if (exit.signal !== null) return exit.signal;
  return exit.code === null ? 'exit code unknown' : `exit code ${exit.code}`;
}
