import { asArcError } from '../../../contract/errors.ts';
import { Deliveries, type Delivery } from '../../../domain/hooks/deliveries.ts';
import { type Answer, lastsFor, RETRY_LIMITS } from '../../../domain/hooks/retry.ts';
import { isWanted } from '../../../domain/hooks/wanted.ts';
import type { Clock, Rng } from '../../../kit/clock.ts';
import { giveUp } from '../../../kit/limit.ts';
import type { Logger } from '../../../kit/logger.ts';
import type { Store } from '../../../store/store.ts';
import { eventView } from '../../event-view.ts';
import type { EventRecord, HookRecord, HookStatus, HookTry } from '../../service.ts';
import { eventMessage } from './compose.ts';
import { AHEAD_MAX, AT_ONCE, READ_MAX, READ_RETRY_MS, SAVE_MS, SEND_MS } from './options.ts';
import { RecentTries } from './recent-tries.ts';
import type { Message, Send } from './send.ts';

export const HOOK_CURSOR = 'hook-cursor';

export interface CourierDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  readonly send: Send;
  /** The receiver said that it is gone for good. */
  readonly onEnded: (detail: string) => Promise<void>;
}

/**
 * Carries events from the journal to one receiver. The journal itself is the outbox: nothing is written for an event,
 * and of the hook only, now and then, how far it has come. So each event arrives at least once.
 */
export class Courier {
  readonly #deps: CourierDeps;
  readonly #hook: HookRecord;
  readonly #deliveries = new Deliveries<EventRecord>(RETRY_LIMITS);
  readonly #stop = new AbortController();
  readonly #tries = new RecentTries();
  #read: number;
  #saved: number;
  #savedAt = 0;
  #counts = { delivered: 0, failed: 0, givenUp: 0, missed: 0 };
  #problem: string | undefined;
  #ended: string | undefined;
  #news = Promise.withResolvers<void>();
  #done: Promise<void> = Promise.resolve();

  constructor(deps: CourierDeps, hook: HookRecord, cursor: number) {
    this.#deps = deps;
    this.#hook = hook;
    this.#read = cursor;
    this.#saved = cursor;
    this.#ended = hook.ended;
  }

  get hook(): HookRecord {
    return this.#ended === undefined ? this.#hook : { ...this.#hook, ended: this.#ended };
  }

  /** Events after this one are still needed. */
  get cursor(): number {
    return this.#deliveries.cursor(this.#read);
  }

  get isOver(): boolean {
    return this.#ended !== undefined;
  }

  status(): HookStatus {
    const { clock } = this.#deps;
    const failing = this.#deliveries.failures > 0 || this.#problem !== undefined;
    const next = this.#deliveries.nextAt();
    const problem = this.#ended ?? this.#problem;
    return {
      state: this.#ended === undefined ? (failing ? 'failing' : 'ok') : 'ended',
      ...{ cursor: this.cursor, pending: this.#deliveries.size },
      ...this.#counts,
      ...(problem === undefined ? {} : { problem }),
      ...(failing && next !== undefined ? { retryAt: Math.round(clock.now() + next - clock.monotonic()) } : {}),
    };
  }

  /** The last tries of this run, the newest first. */
  tries(): readonly HookTry[] {
    return this.#tries.list();
  }

  begin(): void {
    if (!this.isOver) this.#done = this.#loop();
  }

  /** There are new events. */
  kick(): void {
    this.#news.resolve();
  }

  /** One message now, outside of the order of events. Throws nothing. */
  async once(message: Message): Promise<Answer> {
    const { clock, send } = this.#deps;
    const cancel = new AbortController();
    try {
      const signal = AbortSignal.any([this.#stop.signal, cancel.signal]);
      return await giveUp(clock, send(message, signal), { ms: SEND_MS });
    } catch (error) {
      return { kind: 'down', detail: asArcError(error, 'timeout').message };
    } finally {
      cancel.abort();
    }
  }

  /** What is on its way is left off; the next run sends it again. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.kick();
    await this.#done;
    await this.#save().catch(() => {});
  }

  async #loop(): Promise<void> {
    const { clock, logger } = this.#deps;
    while (!this.#stop.signal.aborted && !this.isOver) {
      this.#news = Promise.withResolvers<void>();
      let wakeAt: number | undefined;
      try {
        await this.#fill();
        this.#dropOld();
        for (const delivery of this.#deliveries.take(clock.monotonic(), AT_ONCE)) void this.#deliver(delivery);
        wakeAt = this.#deliveries.nextAt();
        if (this.cursor !== this.#saved) {
          const due = this.#savedAt + SAVE_MS;
          if (clock.monotonic() >= due) await this.#save();
          else wakeAt = Math.min(wakeAt ?? due, due);
        }
      } catch (error) {
        logger.warn(
          { hook: this.#hook.id, error },
          'the events for a hook could not be read, or its place not be kept',
        );
        wakeAt = clock.monotonic() + READ_RETRY_MS;
      }
      await this.#pause(wakeAt);
    }
  }

  async #pause(wakeAt: number | undefined): Promise<void> {
    const { clock } = this.#deps;
    const cancel =
      wakeAt === undefined
        ? () => {}
        : clock.after(Math.max(0, Math.ceil(wakeAt - clock.monotonic())), this.#news.resolve);
    await this.#news.promise;
    cancel();
  }

  /** Reads on until there is enough to do, or nothing more. */
  async #fill(): Promise<void> {
    const { clock, logger, store } = this.#deps;
    while (this.#deliveries.size < AHEAD_MAX) {
      const { oldest } = await store.eventBounds();
      if (this.#read < oldest - 1) {
        this.#counts.missed += oldest - 1 - this.#read;
        const missed = oldest - 1 - this.#read;
        logger.warn({ hook: this.#hook.id, missed }, 'events were forgotten before a hook could send them');
        this.#read = oldest - 1;
      }
      const page = await store.events<EventRecord>(this.#read, READ_MAX);
      for (const { seq, value } of page) {
        if (isWanted(this.#hook.filter, value)) {
          const until = clock.monotonic() + lastsFor(clock.now() - value.time, RETRY_LIMITS);
          this.#deliveries.add({ seq, subject: value.subject, value, until });
        }
        this.#read = seq;
      }
      if (page.length < READ_MAX) return;
    }
  }

  #dropOld(): void {
    for (const { seq, subject, value } of this.#deliveries.giveUp(this.#deps.clock.monotonic())) {
      this.#counts.givenUp += 1;
      this.#deps.logger.warn(
        { hook: this.#hook.id, event: seq, subject },
        'an event was not taken for so long that it is given up',
      );
      const detail = 'it was tried for as long as it may be';
      this.#tries.note({
        at: this.#deps.clock.now(),
        event: seq,
        what: nameOf(value),
        subject,
        outcome: 'given-up',
        detail,
      });
    }
  }

  async #deliver({ seq, value }: Delivery<EventRecord>): Promise<void> {
    const { clock, logger, rng } = this.#deps;
    const began = clock.monotonic();
    const answer = await this.once(eventMessage(this.#hook, eventView(seq, value), clock.now()));
    if (this.#stop.signal.aborted) return;
    this.#deliveries.settle(seq, answer, clock.monotonic(), rng.float());
    this.#tries.note({
      ...{ at: clock.now(), event: seq, what: nameOf(value), subject: value.subject, outcome: answer.kind },
      ms: Math.round(clock.monotonic() - began),
      ...('detail' in answer ? { detail: answer.detail } : {}),
    });
    if (answer.kind === 'taken') {
      this.#counts.delivered += 1;
      this.#problem = undefined;
    } else {
      this.#counts.failed += 1;
      // Said once for each outage, not for each try.
      if (this.#problem === undefined) {
        logger.warn(
          { hook: this.#hook.id, event: seq, subject: value.subject, why: answer.detail },
          'a hook could not be delivered',
        );
      }
      this.#problem = answer.detail;
    }
    if (answer.kind === 'ended') {
      this.#ended = answer.detail;
      await this.#deps.onEnded(answer.detail);
    }
    this.kick();
  }

  async #save(): Promise<void> {
    const { clock, store } = this.#deps;
    const seq = this.cursor;
    if (seq === this.#saved) return;
    this.#savedAt = clock.monotonic();
    await store.commit([{ op: 'put', kind: HOOK_CURSOR, id: this.#hook.id, value: { seq } }]);
    this.#saved = seq;
  }
}

/** As people ask for it with `--event`. */
const nameOf = ({ type, state }: EventRecord): string => (state === undefined ? type : `${type}.${state}`);
