import type { Deadline } from '../../domain/deadline.ts';
import { beat } from '../../domain/deadline.ts';
import type { Write } from '../../store/store.ts';
import type { Core } from './context.ts';
import { KEEP_FOR_HOOKS } from './hooks/options.ts';
import { FORGET_ROWS_MAX } from './options.ts';
import { IDEMPOTENCY, SANDBOX, type SandboxRow } from './row.ts';

interface Kept {
  readonly id: string;
  readonly until: Deadline;
  readonly idempotency: string | undefined;
}

const META = 'meta';
const HEARTBEAT = 'heartbeat';

/** How long things that are over are remembered: removed rows, events, and the lengths of earlier boots. */
export class Retention {
  readonly #core: Core;
  readonly #needed: () => number | undefined;
  /** Removed sandboxes whose rows are kept, the oldest first. */
  #kept = new Map<string, Kept>();
  #beatAt = Number.NEGATIVE_INFINITY;

  /** @param needed events after this one are still to be sent to somebody. */
  constructor(core: Core, needed: () => number | undefined) {
    this.#core = core;
    this.#needed = needed;
  }

  keepUntil(): Deadline {
    return this.#core.time.in(this.#core.options.keepRemovedMs);
  }

  noteRemoved(row: SandboxRow): void {
    if (!this.#kept.has(row.id)) this.#kept.set(row.id, this.#toKept(row));
  }

  isKept(id: string): boolean {
    return this.#kept.has(id);
  }

  /** The heartbeats of earlier boots must be known before the first deadline is looked at. */
  async load(): Promise<void> {
    const { store, time } = this.#core;
    const beats = await store.get<{ readonly beats: typeof time.beats }>(META, HEARTBEAT);
    time.beats = beats?.value.beats ?? [];
  }

  loadRemoved(rows: readonly SandboxRow[]): void {
    const left = (kept: Kept) => this.#core.time.left(kept.until);
    const all = new Map([...rows.map((row) => [row.id, this.#toKept(row)] as const), ...this.#kept]);
    this.#kept = new Map([...all].sort(([, a], [, b]) => left(a) - left(b)));
  }

  async sweep(): Promise<void> {
    await this.#beat();
    await this.#forget();
    await this.#trimEvents();
    await this.#core.store.trimRecords(this.#core.options.keepAuditMax);
  }

  async #beat(): Promise<void> {
    const { clock, options, store, time } = this.#core;
    if (clock.monotonic() - this.#beatAt < options.heartbeatMs) return;
    const beats = beat(time.beats, time.now);
    await store.commit([{ op: 'put', kind: META, id: HEARTBEAT, value: { beats } }]);
    time.beats = beats;
    this.#beatAt = clock.monotonic();
  }

  async #forget(): Promise<void> {
    const { options, router, store, time } = this.#core;
    for (let forgotten = 0; forgotten < FORGET_ROWS_MAX; forgotten++) {
      const [oldest] = this.#kept.values();
      if (!oldest) return;
      if (this.#kept.size <= options.keepRemovedMax && time.left(oldest.until) > 0) return;
      const writes: Write[] = [{ op: 'delete', kind: SANDBOX, id: oldest.id }];
      if (oldest.idempotency !== undefined) writes.push({ op: 'delete', kind: IDEMPOTENCY, id: oldest.idempotency });
      await store.commit(writes);
      this.#kept.delete(oldest.id);
      await router.forget(oldest.id);
    }
  }

  async #trimEvents(): Promise<void> {
    const { options, store } = this.#core;
    const { oldest, newest } = await store.eventBounds();
    const kept = options.keepEventsMax;
    // What a hook still has to send is kept longer, and not without end.
    const most = Math.max(newest - kept * KEEP_FOR_HOOKS, Math.min(newest - kept, this.#needed() ?? newest));
    if (oldest <= most) await store.trimEvents(most);
  }

  #toKept(row: SandboxRow): Kept {
    return { id: row.id, until: row.keepUntil ?? this.keepUntil(), idempotency: row.idempotency };
  }
}
