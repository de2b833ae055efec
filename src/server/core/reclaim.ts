import { asArcError } from '../../contract/errors.ts';
import { isUp } from '../../domain/lifecycle.ts';
import { type PlanStep, type RowFacts, reconcile } from '../../domain/reconcile.ts';
import type { Held } from '../../engines/engine.ts';
import { backoff } from '../../kit/backoff.ts';
import { eachLimited } from '../../kit/limit.ts';
import type { Core } from './context.ts';
import type { Ending } from './ending.ts';
import type { Expiry } from './expiry.ts';
import { nodeLost } from './node-lost.ts';
import { nowRunning } from './now-running.ts';
import { PASS_PARALLEL, RECLAIM_BACKOFF } from './options.ts';
import type { Pools } from './pool/pools.ts';
import type { Retention } from './retention.ts';
import { routeOf, type SandboxRow, targetOf, type Versioned, wakes } from './row.ts';
import type { Starter } from './starter.ts';

/** What the engine holds, by id and incarnation. */
interface Things extends ReadonlyMap<string, Held> {
  /** When it was asked, in turns of the routes. */
  readonly turn: number;
}

/** Steps for sandboxes that are not up any more, whatever their rows still say. */
const LOST: readonly PlanStep['do'][] = ['exit', 'recreate', 'node-lost'];

/**
 * Makes the store and the engine agree: once when Arc starts, then at intervals, and when the engine says that it lost
 * sight. Everything it does is decided again from the newest row by whoever holds the sandbox's lane.
 */
export class Reclaimer {
  readonly #core: Core;
  readonly #starter: Starter;
  readonly #ending: Ending;
  readonly #expiry: Expiry;
  readonly #retention: Retention;
  readonly #pools: Pools;
  #wake: () => void = () => {};
  #opened: () => void = () => {};
  #done: Promise<void> = Promise.resolve();

  constructor(
    core: Core,
    parts: { starter: Starter; ending: Ending; expiry: Expiry; retention: Retention; pools: Pools },
  ) {
    this.#pools = parts.pools;
    this.#core = core;
    this.#starter = parts.starter;
    this.#ending = parts.ending;
    this.#expiry = parts.expiry;
    this.#retention = parts.retention;
  }

  /** What is known is said at once: that it starts, or is gone and why. Where it is, only the engine says: see `pass`. */
  async restoreRoutes(): Promise<void> {
    const { rows, router } = this.#core;
    for await (const page of rows.all('live')) {
      for (const { row } of page) {
        rows.count(row);
        const { address: _unsure, ...route } = routeOf(row);
        await router.set(route);
        if (wakes(row) && row.deadline) await this.#remarked(row);
        this.#expiry.arm(row);
      }
    }
  }

  /** Begins the work in the background; the promise is that of what ran being reachable again, and starts going on. */
  begin(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#opened = resolve;
    this.#done = this.#loop()
      .catch(() => {})
      .finally(resolve);
    return promise;
  }

  /** Looks again now. */
  wake(): void {
    this.#wake();
  }

  async ended(): Promise<void> {
    await this.#done;
  }

  async #loop(): Promise<void> {
    const { clock, closing, logger, options, vitals } = this.#core;
    for (const wait of backoff(RECLAIM_BACKOFF)) {
      try {
        await this.pass();
        await this.#loadRemoved();
        vitals.passed(undefined);
        break;
      } catch (error) {
        vitals.passed(asArcError(error).message);
        logger.error({ error }, 'the first look at what runs failed; trying again');
        await clock.sleep(wait, closing);
      }
    }
    for (let passes = 0; !closing.aborted; passes++) {
      try {
        if (passes > 0) await this.pass();
        await this.#retention.sweep();
        vitals.passed(undefined);
      } catch (error) {
        vitals.passed(asArcError(error).message);
        if (!closing.aborted) logger.warn({ error }, 'a pass over store and engine failed; trying again');
      }
      await this.#sleep(options.sweepMs);
    }
  }

  async #sleep(ms: number): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const { clock, closing } = this.#core;
    await clock.sleep(ms, AbortSignal.any([woken.signal, closing])).catch(() => {});
  }

  async #loadRemoved(): Promise<void> {
    for await (const page of this.#core.rows.all('removed')) {
      this.#retention.loadRemoved(page.map(({ row }) => row));
      for (const { row } of page) await this.#core.router.set(routeOf(row));
    }
  }

  /** One look: rows first, then the engine, so that whatever has no row is either an orphan or younger than the rows. */
  async pass(): Promise<void> {
    const { calls, closing, rows } = this.#core;
    const live = new Map<string, Versioned>();
    for await (const page of rows.all('awake')) for (const found of page) live.set(found.row.id, found);
    const warm = this.#pools.known();
    const { turn } = this.#core.router;
    const all = await calls.list();
    if (closing.aborted) return;
    this.#pools.settle(warm, all);
    const held = all.filter(({ id }) => !this.#pools.holds(id));
    this.#ending.noteHeld(new Set(held.map((thing) => thing.id)));
    const plan = reconcile([...live.values()].map(factsOf), held);
    const things = Object.assign(new Map(held.map((thing) => [keyOf(thing), thing])), { turn });
    const routes = new Map((await this.#core.router.list()).map((route) => [route.id, route]));
    // What runs is reachable again before anything else is done about it.
    const steps = (wanted: (step: PlanStep) => boolean) => plan.filter(wanted);
    const apply = (some: readonly PlanStep[]) => eachLimited(some, PASS_PARALLEL, (step) => this.#apply(step, things));
    await apply(steps((step) => step.do === 'thaw'));
    // Nothing is done for what is as it was, so that a pass costs what has changed.
    await apply(steps((step) => step.do === 'adopt' && (step.moved || !reached(live.get(step.id), routes))));
    await apply(steps((step) => LOST.includes(step.do)));
    // From here on every address that the store knows belongs to who has it.
    this.#starter.open();
    this.#pools.open();
    this.#opened();
    await apply(steps((step) => step.do !== 'adopt' && step.do !== 'thaw' && !LOST.includes(step.do)));
    await this.#tidy([...live.values()]);
    const unsure = new Set(plan.filter((step) => LOST.includes(step.do)).map((step) => step.id));
    await this.#syncRoutes(live, unsure);
  }

  async #apply(step: PlanStep, held: Things): Promise<void> {
    if (this.#core.closing.aborted) return;
    if (step.do === 'finish-start') {
      this.#starter.enqueue(step.id, step.owner, { resumed: true, partial: step.partial });
      return;
    }
    // Somebody is at work on a sandbox whose lane is held: the next pass looks at the outcome.
    if (this.#core.admission.has(step.id)) return;
    try {
      await this.#core.lanes.tryRun(step.id, async () => {
        // Asked before the row is read: what is claimed in between has a row then.
        if (this.#pools.holds(step.id)) return;
        const found = await this.#core.rows.read(step.id);
        if (step.do === 'destroy' || step.do === 'stop') await this.#clear(step, found?.row, held);
        else if (found && found.row.incarnation === step.incarnation) await this.#settle(step, found, held);
      });
    } catch (error) {
      const fields = { sandbox: step.id, step: step.do, error };
      this.#core.logger.warn(fields, 'a step of a pass failed; the next one tries again');
    }
  }

  async #clear(step: PlanStep, row: SandboxRow | undefined, held: Things): Promise<void> {
    const { calls, logger } = this.#core;
    const target = { id: step.id, incarnation: step.incarnation };
    if (!row || row.state === 'removed' || row.state === 'failed') {
      logger.info({ sandbox: step.id, state: row?.state ?? 'unknown' }, 'removing what is left of a sandbox');
      // Its address is free once it is destroyed: no route may lead there any more.
      await (row ? this.#core.router.set(routeOf(row)) : this.#core.router.forget(step.id));
      if (row?.state === 'removed') this.#retention.noteRemoved(row);
      await calls.destroy(target);
    } else if (row.state === 'stopped' && row.parked && !row.parked.keep) {
      await calls.destroy(target);
    } else if (row.state === 'stopped') {
      if (held.get(keyOf(target))?.phase === 'running') await calls.stop(target);
    }
  }

  async #settle(step: PlanStep, found: Versioned, held: Things): Promise<void> {
    const { row } = found;
    if (step.do === 'adopt' && isUp(row.state)) await this.#adopt(step, found, held);
    else if (step.do === 'freeze' && row.state === 'frozen') await this.#core.calls.freeze(targetOf(row));
    else if (step.do === 'thaw' && isUp(row.state) && row.state !== 'frozen')
      await this.#core.calls.thaw(targetOf(row));
    else if (step.do === 'exit' && isUp(row.state)) await this.#ending.stopped(found, step.exit);
    else if (step.do === 'exit' && row.state === 'starting') await this.#endedWhileStarting(step, found);
    else if ((step.do === 'recreate' || step.do === 'node-lost') && isUp(row.state)) {
      const again = await nodeLost(this.#core, this.#ending, found, step.do);
      if (again) this.#starter.enqueue(row.id, row.owner);
    }
  }

  async #adopt(step: PlanStep & { readonly do: 'adopt' }, found: Versioned, held: Things): Promise<void> {
    let { row } = found;
    const thing = held.get(keyOf(row));
    if (thing?.phase === 'running') this.#core.router.restore(row, held.turn);
    if (step.moved && thing?.phase === 'running') {
      const { placement } = thing;
      row = (await this.#core.rows.change(found, (newest) => ({ ...newest, placement }))).row;
    }
    // The server may have ended between the row and the node; where it is so already this does nothing.
    if (row.spec.networkMost) await this.#core.engine.network?.set(targetOf(row), row.spec);
    await this.#core.router.set(routeOf(row));
  }

  /** Its command ended while Arc was down. Where nothing had to be waited for it has run; else it never got ready. */
  async #endedWhileStarting(step: PlanStep & { readonly do: 'exit' }, found: Versioned): Promise<void> {
    if (found.row.spec.ready.kind !== 'none') {
      this.#starter.enqueue(found.row.id, found.row.owner, { resumed: true, partial: true });
      return;
    }
    const ran = await this.#core.rows.change(found, (row) =>
      row.state === 'starting' ? nowRunning(this.#core, row, 'adopted') : row,
    );
    await this.#ending.stopped(ran, step.exit);
    this.#expiry.arm(ran.row);
  }

  /** Failures that are old enough to go, failures that could not be written, deadlines of an earlier boot. */
  async #tidy(live: readonly Versioned[]): Promise<void> {
    const { lanes, logger, rows, time } = this.#core;
    const due = live.filter(
      ({ row }) =>
        (row.state === 'failed' && row.keepUntil && time.left(row.keepUntil) <= 0) ||
        (row.deadline && !time.isOfThisBoot(row.deadline)),
    );
    await eachLimited(due, PASS_PARALLEL, async ({ row }) => {
      try {
        if (row.state === 'failed') {
          await this.#ending.remove(row.id, causeOf(row), (newest) => newest.state === 'failed');
          return;
        }
        await lanes.tryRun(row.id, async () => {
          const found = await rows.read(row.id);
          if (found?.row.state === 'removed' || !found) return;
          this.#expiry.arm((await rows.change(found, (newest) => this.#remark(newest))).row);
        });
      } catch (error) {
        logger.warn({ sandbox: row.id, error }, 'a row could not be tidied yet');
      }
    });
  }

  /** No pass comes by those that are parked with nothing running: their deadlines are brought into this boot when Arc starts. */
  async #remarked(row: SandboxRow): Promise<void> {
    if (this.#remark(row) === row) return;
    const found = await this.#core.rows.read(row.id);
    if (found) await this.#core.rows.change(found, (newest) => this.#remark(newest));
  }

  #remark(row: SandboxRow): SandboxRow {
    const { time } = this.#core;
    if (!row.deadline || time.isOfThisBoot(row.deadline)) return row;
    const { deadline, latest } = row;
    const moved = { ...row, deadline: time.in(time.left(deadline)) };
    return latest ? { ...moved, latest: time.in(time.left(latest)) } : moved;
  }

  /** @param unsure those whose address may have another owner already; what ended them sets their routes. */
  async #syncRoutes(live: ReadonlyMap<string, Versioned>, unsure: ReadonlySet<string>): Promise<void> {
    const { lanes, router, rows } = this.#core;
    const routes = new Map((await router.list()).map((route) => [route.id, route]));
    const off = [...live.values()]
      .filter(({ row }) => !sameRoute(routes.get(row.id), routeOf(row)))
      .map(({ row }) => row.id);
    // What is parked with nothing running is not looked at in each pass, and its route was set when it became so.
    const asleep = (id: string) => routes.get(id)?.state === 'stopped' && routes.get(id)?.wakes === true;
    const unknown = [...routes.keys()].filter((id) => !live.has(id) && !asleep(id) && !this.#retention.isKept(id));
    for (const id of [...off, ...unknown]) {
      if (unsure.has(id)) continue;
      await lanes.tryRun(id, async () => {
        const found = await rows.read(id);
        await (found ? router.set(routeOf(found.row)) : router.forget(id));
      });
    }
  }
}

const keyOf = ({ id, incarnation }: { readonly id: string; readonly incarnation: number }) => `${id} ${incarnation}`;

function reached(found: Versioned | undefined, routes: ReadonlyMap<string, ReturnType<typeof routeOf>>): boolean {
  return found !== undefined && sameRoute(routes.get(found.row.id), routeOf(found.row));
}

function sameRoute(a: ReturnType<typeof routeOf> | undefined, b: ReturnType<typeof routeOf>): boolean {
  const same = a?.incarnation === b.incarnation && a.state === b.state && a.address === b.address;
  return same && a.reason === b.reason && a.wakes === b.wakes;
}

function causeOf(row: SandboxRow): { reason: SandboxRow['reason']; detail?: string } {
  return row.detail === undefined ? { reason: row.reason } : { reason: row.reason, detail: row.detail };
}

function factsOf({ row, revision }: Versioned): RowFacts {
  return {
    id: row.id,
    incarnation: row.incarnation,
    state: row.state,
    createdAt: row.createdAt,
    revision,
    owner: row.owner,
    begunAt: row.history.findLast((entry) => entry.state === 'starting')?.at ?? 0,
    ready: row.spec.ready.kind === 'none' ? 'none' : 'checked',
    afterReboot: row.spec.afterReboot,
    ...(row.placement ? { placement: row.placement } : {}),
  };
}
