import { signal } from '@preact/signals';
import type { Client, Event, SandboxView } from '../../sdk/index.ts';
import { ArcError } from '../../sdk/index.ts';
import { after, nowMs, sleep } from './clock.ts';
import { type Row, toRow } from './filter.ts';
import { noteError } from './session.ts';

/** Every sandbox that one may see, kept true by the server's events: nothing is asked again and again. */

/** How long changes are gathered before the page is drawn again, ms. */
const GATHER_MS = 80;
const ASK_AT_ONCE = 6;
/** Hidden for so long, the connection is given back: a browser has few of them for all of its pages. */
const REST_MS = 30_000;
/** Away for longer than this, everything is listed again: events are kept only for so long. */
const LIST_AGAIN_MS = 300_000;
const RETRY_MS = 2_000;

export type Link = 'loading' | 'live' | 'lost' | 'resting';

export const rows = signal<readonly Row[]>([]);
export const link = signal<Link>('loading');

/** Called with each event, such as by the page of one sandbox. */
const listeners = new Set<(event: Event) => void>();

export function onEvent(listener: (event: Event) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function find(id: string): SandboxView | undefined {
  return rows.value.find(({ sandbox }) => sandbox.id === id)?.sandbox;
}

/** @returns what ends it. */
export function watchFleet(arc: Client): () => void {
  const fleet = new Fleet(arc);
  void fleet.run();
  return () => fleet.end();
}

class Fleet {
  readonly #arc: Client;
  readonly #held = new Map<string, Row>();
  readonly #stale = new Set<string>();
  /** What events spoke of while everything was being listed: a page of the list may be older than they are. */
  #touched: Set<string> | undefined;
  #asking = 0;
  #cancelDraw: (() => void) | undefined;
  #over = false;
  #connection = new AbortController();
  #since: number | undefined;
  #seenAt = nowMs();
  #wake = Promise.withResolvers<void>();
  #cancelRest: (() => void) | undefined;

  constructor(arc: Client) {
    this.#arc = arc;
    document.addEventListener('visibilitychange', this.#visibility);
  }

  end(): void {
    this.#over = true;
    document.removeEventListener('visibilitychange', this.#visibility);
    this.#cancelRest?.();
    this.#connection.abort();
    rows.value = [];
    link.value = 'loading';
  }

  async run(): Promise<void> {
    while (!this.#over) {
      this.#connection = new AbortController();
      const again = this.#since === undefined || nowMs() - this.#seenAt > LIST_AGAIN_MS;
      if (again) this.#since = undefined;
      try {
        await this.#follow(again);
      } catch (error) {
        noteError(error);
        if (!this.#connection.signal.aborted && !this.#over) link.value = 'lost';
      }
      if (this.#over) return;
      if (link.value === 'resting') await this.#wake.promise;
      else await sleep(RETRY_MS);
    }
  }

  async #follow(list: boolean): Promise<void> {
    const { signal } = this.#connection;
    const onConnected = (at: number) => {
      this.#seenAt = nowMs();
      const first = this.#since === undefined;
      this.#since = at;
      if (!list || !first) link.value = 'live';
      else this.#list(signal).catch((error) => this.#connection.abort(error));
    };
    const onLost = () => {
      if (!signal.aborted) link.value = 'lost';
    };
    const from = this.#since === undefined ? {} : { since: this.#since };
    const events = this.#arc.events({ ...from, signal, onConnected, onLost });
    for await (const event of events) {
      this.#since = event.id;
      this.#seenAt = nowMs();
      this.#apply(event);
      for (const listener of listeners) listener(event);
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    link.value = 'loading';
    const found = new Set<string>();
    const touched = new Set<string>();
    this.#touched = touched;
    for await (const { info } of this.#arc.sandboxes.list({ pageSize: 999, signal })) {
      found.add(info.id);
      this.#held.set(info.id, toRow(info));
      if (found.size % 999 === 0) this.#draw();
    }
    for (const id of this.#held.keys()) if (!found.has(id) && !touched.has(id)) this.#held.delete(id);
    this.#touched = undefined;
    for (const id of touched) this.#stale.add(id);
    void this.#refresh();
    link.value = 'live';
    this.#draw();
  }

  #apply(event: Event): void {
    if (event.type !== 'sandbox') return;
    this.#touched?.add(event.subject);
    if (event.state === 'removed') {
      this.#held.delete(event.subject);
      this.#stale.delete(event.subject);
      this.#draw();
      return;
    }
    const held = this.#held.get(event.subject);
    if (held && event.state) {
      // What the event says is shown at once; the rest of the document follows.
      const { state, reason = held.sandbox.reason, incarnation = held.sandbox.incarnation } = event;
      this.#held.set(event.subject, toRow({ ...held.sandbox, state, reason, incarnation }));
      this.#draw();
    }
    this.#stale.add(event.subject);
    void this.#refresh();
  }

  async #refresh(): Promise<void> {
    if (this.#asking >= ASK_AT_ONCE) return;
    this.#asking += 1;
    for (const id of this.#stale) {
      this.#stale.delete(id);
      await this.#ask(id);
    }
    this.#asking -= 1;
  }

  async #ask(id: string): Promise<void> {
    try {
      const { info } = await this.#arc.sandboxes.get(id);
      if (!this.#over) this.#held.set(id, toRow(info));
    } catch (error) {
      noteError(error);
      const gone = error instanceof ArcError && (error.code === 'sandbox_gone' || error.code === 'sandbox_not_found');
      if (gone) this.#held.delete(id);
    }
    this.#draw();
  }

  /** Many changes, one drawing; the newest sandbox first. */
  #draw(): void {
    this.#cancelDraw ??= after(GATHER_MS, () => {
      this.#cancelDraw = undefined;
      if (!this.#over) rows.value = [...this.#held.values()].sort((a, b) => b.createdMs - a.createdMs);
    });
  }

  readonly #visibility = (): void => {
    this.#cancelRest?.();
    if (document.visibilityState === 'visible') {
      if (link.value !== 'resting') return;
      link.value = 'lost';
      this.#wake.resolve();
      return;
    }
    this.#cancelRest = after(REST_MS, () => {
      this.#wake = Promise.withResolvers();
      link.value = 'resting';
      this.#connection.abort();
    });
  };
}
