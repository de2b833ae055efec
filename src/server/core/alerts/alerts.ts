import { AlertBook, GROUP_LIMITS, type ToldAlert } from '../../../domain/alerts/book.ts';
import { type AlertFacts, conditions } from '../../../domain/alerts/rules.ts';
import { toldWhen } from '../../../domain/alerts/told-when.ts';
import { isShort } from '../../../domain/pressure.ts';
import type { AlertReport, Alerts, Caller, OverAlert, PoolStatus } from '../../service.ts';
import type { Core } from '../context.ts';
import type { HookStore } from '../hooks/hooks.ts';
import { eventWrite } from '../row.ts';
import { requireScope } from '../scopes.ts';

const META = 'meta';
const TOLD = 'alerts';
/** ms between two looks. */
const LOOK_MS = 5_000;
/** Alerts that are over and remembered. */
const OVER_MAX = 50;
/** What all alerts of this Arc are filed under: their messages arrive in order. */
const SUBJECT = 'arc';

export interface AlertParts {
  /** What people call the machine. */
  readonly node: string;
  readonly hooks: Pick<HookStore, 'statuses'>;
  readonly pools: () => readonly PoolStatus[];
}

/** Looks at what an operator should know of, and writes it into the journal: from there hooks carry it on. */
export class AlertWatch implements Alerts {
  readonly #core: Core;
  readonly #parts: AlertParts;
  #book = new AlertBook(GROUP_LIMITS);
  /** Those that somebody was told of, the newest first. */
  #over: readonly OverAlert[] = [];
  #done: Promise<void> = Promise.resolve();

  constructor(core: Core, parts: AlertParts) {
    this.#core = core;
    this.#parts = parts;
  }

  async begin(): Promise<void> {
    const kept = await this.#core.store.get<{
      readonly told: readonly ToldAlert[];
      readonly over?: readonly OverAlert[];
    }>(META, TOLD);
    this.#over = kept?.value.over ?? [];
    this.#book = new AlertBook(GROUP_LIMITS, kept?.value.told, this.#core.clock.monotonic());
    this.#done = this.#loop().catch(() => {});
  }

  async ended(): Promise<void> {
    await this.#done;
  }

  list(caller: Caller): readonly ToldAlert[] {
    requireScope(caller, 'admin');
    return this.firing();
  }

  report(caller: Caller): AlertReport {
    requireScope(caller, 'admin');
    return { firing: this.firing(), over: this.#over, rules: toldWhen(this.#core.options.alerts) };
  }

  firing(): readonly ToldAlert[] {
    return this.#book.firing(this.#core.clock.monotonic());
  }

  async #loop(): Promise<void> {
    const { clock, closing, logger } = this.#core;
    while (!closing.aborted) {
      await clock.sleep(LOOK_MS, closing);
      try {
        await this.#look();
      } catch (error) {
        logger.warn({ error }, 'what operators should know of could not be looked at or written down');
      }
    }
  }

  async #look(): Promise<void> {
    const { clock, logger, store } = this.#core;
    const facts = await this.#facts();
    const now = { wall: clock.now(), mono: clock.monotonic() };
    const telling = this.#book.look(conditions(facts, this.#parts.node, this.#core.options.alerts), now);
    if (telling === undefined) return;
    const { alerts, more } = telling;
    for (const { name, subject, status, summary } of alerts) logger.warn({ alert: name, subject, status }, summary);
    const detail = more === 0 ? {} : { detail: `and ${more} more` };
    const event = { time: now.wall, type: 'alert', subject: SUBJECT, owner: 'system', alerts, ...detail } as const;
    const ended = alerts
      .filter(({ status }) => status === 'resolved')
      .map(({ status: _, since, ...one }) => ({ ...one, since: Date.parse(since), endedAt: now.wall }));
    this.#over = [...ended, ...this.#over].slice(0, OVER_MAX);
    const value = { told: this.#book.told, over: this.#over };
    await store.commit([eventWrite(event), { op: 'put', kind: META, id: TOLD, value }]);
  }

  async #facts(): Promise<AlertFacts> {
    const { engine, options, vitals } = this.#core;
    // A fact that can't be had is none; that the node can't be looked at is a condition of its own.
    const [memory, disk] = await Promise.all([
      engine.memoryPressure?.().catch(() => undefined),
      engine.diskSpace?.().catch(() => undefined),
    ]);
    return {
      ...vitals.recent(options.alerts.windowMs),
      ...(memory ? { memory } : {}),
      ...(disk ? { disk } : {}),
      memoryShort: memory !== undefined && isShort(memory, options.pressure),
      pools: this.#parts.pools(),
      hooks: this.#parts.hooks.statuses().map(({ id, status }) => ({
        ...{ id, givenUp: status.givenUp },
        ...(status.state === 'ok' ? {} : { problem: status.problem ?? status.state }),
      })),
    };
  }
}
