import type { State } from '../../contract/states.ts';
import { isUp } from '../../domain/lifecycle.ts';
import { quietFor } from '../../domain/quiet.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Store } from '../../store/store.ts';
import type { Use } from '../service.ts';
import type { BootTime } from './context.ts';
import { pressedTo } from './life.ts';
import type { SandboxRow } from './row.ts';

/** What is remembered of each sandbox that runs and has an idle policy; nothing of all others. */
interface Entry {
  /** Monotonic ms; may lie ahead. */
  usedAt: number;
  /** Commands and terminals. */
  open: number;
  state: State;
  /** Somebody wants to hear of the next use: it is warned, or frozen. */
  attentive: boolean;
  /** It is parked when memory is short. */
  pressable: boolean;
}

/** As kept in the store: how long each had been quiet at a moment of a boot. */
interface Saved {
  readonly boot: string;
  readonly uptimeMs: number;
  readonly quietMs: Readonly<Record<string, number>>;
}

const META = 'meta';
const ACTIVITY = 'activity';
const NO_USE: Use = { touch: () => {}, end: () => {} };

export interface ActivityDeps {
  readonly clock: Clock;
  readonly time: BootTime;
  readonly store: Store;
  /** How long an open connection that says nothing counts as use, ms. */
  readonly silentMs: number;
  /** ms between two writes of what is known. */
  readonly saveMs: number;
  /** Connections to it that the edge holds open. */
  readonly connections: (id: string) => number;
  /** One that is warned or frozen is used. Once for each time that it became so. */
  readonly onUse: (id: string) => void;
}

/** Who is used, and when it was last: in memory, and now and then in the store, so that a restart forgets little. */
export class Activity {
  readonly #deps: ActivityDeps;
  readonly #entries = new Map<string, Entry>();
  #saved: Saved | undefined;
  #changed = false;

  constructor(deps: ActivityDeps) {
    this.#deps = deps;
  }

  /** What an earlier run knew. What it had not written yet counts as use: nobody is stopped for a crash of ours. */
  async load(): Promise<void> {
    this.#saved = (await this.#deps.store.get<Saved>(META, ACTIVITY))?.value;
  }

  /** Follows one as its row is now, or forgets it where nothing depends on its use. */
  track(row: SandboxRow): void {
    const { id, state, reason, spec } = row;
    if (!spec.idle || !isUp(state)) {
      if (this.#entries.delete(id)) this.#changed = true;
      return;
    }
    const attentive = state === 'frozen' || (state === 'warned' && reason === 'soft-limit');
    const entry = this.#entries.get(id);
    const seen = { state, attentive, pressable: pressedTo(row) !== undefined };
    if (entry) Object.assign(entry, seen);
    else this.#entries.set(id, { usedAt: this.#firstUse(id), open: 0, ...seen });
    this.#changed ||= !entry;
  }

  #firstUse(id: string): number {
    const { clock, time, saveMs } = this.#deps;
    const now = clock.monotonic();
    const quiet = this.#saved?.boot === time.now.boot ? this.#saved.quietMs[id] : undefined;
    if (quiet === undefined || !this.#saved) return now;
    return now - Math.max(0, quiet + time.now.uptimeMs - this.#saved.uptimeMs - saveMs);
  }

  /** It is used. Cheap, also for one that nobody follows. */
  touch(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    entry.usedAt = Math.max(entry.usedAt, this.#deps.clock.monotonic());
    this.#changed = true;
    if (!entry.attentive) return;
    entry.attentive = false;
    this.#deps.onUse(id);
  }

  /** A command or a terminal begins. */
  begin(id: string): Use {
    this.touch(id);
    const entry = this.#entries.get(id);
    if (!entry) return NO_USE;
    entry.open += 1;
    let open = true;
    return {
      touch: () => this.touch(id),
      end: () => {
        if (open) entry.open -= 1;
        open = false;
      },
    };
  }

  /** Somebody asked for so much more time: it counts as used until `hardMs` before that is over. */
  promise(id: string, ms: number, hardMs: number): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.touch(id);
    entry.usedAt = Math.max(entry.usedAt, this.#deps.clock.monotonic() + ms - hardMs);
  }

  /** As if it had been used just so long ago. */
  setQuiet(id: string, ms: number): void {
    const entry = this.#entries.get(id);
    if (entry) entry.usedAt = this.#deps.clock.monotonic() - ms;
  }

  /** ms since it was last used; 0 for one that nobody follows. */
  quiet(id: string): number {
    const entry = this.#entries.get(id);
    if (!entry) return 0;
    const { clock, connections, silentMs } = this.#deps;
    const open = entry.open + connections(id);
    return quietFor({ usedAt: entry.usedAt, open }, clock.monotonic(), silentMs);
  }

  isFrozen(id: string): boolean {
    return this.#entries.get(id)?.state === 'frozen';
  }

  /** Those that may be parked when memory is short, with how long they have been quiet. */
  *pressable(): Generator<{ readonly id: string; readonly quietMs: number }> {
    for (const [id, { pressable }] of this.#entries) if (pressable) yield { id, quietMs: this.quiet(id) };
  }

  async save(): Promise<void> {
    if (!this.#changed) return;
    this.#changed = false;
    const now = this.#deps.clock.monotonic();
    const quietMs: Record<string, number> = {};
    for (const [id, { usedAt }] of this.#entries) quietMs[id] = Math.round(now - usedAt);
    const { boot, uptimeMs } = this.#deps.time.now;
    const value: Saved = { boot, uptimeMs, quietMs };
    try {
      await this.#deps.store.commit([{ op: 'put', kind: META, id: ACTIVITY, value }]);
    } catch (error) {
      this.#changed = true;
      throw error;
    }
  }
}
