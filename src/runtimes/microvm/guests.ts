import { ArcError, asArcError } from '../../contract/errors.ts';
import type { Exit } from '../../contract/spec.ts';
import type { Target } from '../../engines/engine.ts';
import { GuestChannel } from './channel/channel.ts';
import type { MicrovmDeps } from './deps.ts';
import { Guest } from './guest.ts';

/** By emulation, on a machine that is busy with others. */
const BOOT_MS = 120_000;
const ANSWER_MS = 20_000;
const LAST_WORDS_MS = 2_000;
const NONCE_BYTES = 16;

/** The connections to the machines of this node: one each, made anew when it is needed. */
export class Guests {
  readonly #deps: Pick<MicrovmDeps, 'clock' | 'rng' | 'lastOutput' | 'monitor'>;
  readonly #held = new Map<string, { readonly incarnation: number; readonly guest: Promise<Guest> }>();

  constructor(deps: Pick<MicrovmDeps, 'clock' | 'rng' | 'lastOutput' | 'monitor'>) {
    this.#deps = deps;
  }

  /** Waits for a machine that is just starting. Throws start_failed, with what its monitor said, when it ends first. */
  async first(target: Target, path: string, ended: Promise<Exit>, signal: AbortSignal): Promise<Guest> {
    const gone = new AbortController();
    const over = ended.then(async (exit) => {
      const said = (await this.#deps.lastOutput(target.id).catch(() => '')).trim();
      const why = said === '' ? (exit.note ?? `by ${exit.signal}`) : said;
      const error = new ArcError('start_failed', `the virtual machine ended before it ran anything: ${why}`);
      gone.abort(error);
      throw error;
    });
    over.catch(() => {});
    const opening = this.#open(path, AbortSignal.any([signal, gone.signal]), BOOT_MS);
    this.#held.set(target.id, { incarnation: target.incarnation, guest: opening });
    try {
      return await opening;
    } catch (error) {
      this.#held.delete(target.id);
      if (asArcError(error).code !== 'helper_unavailable') throw error;
      // Its socket is gone a moment before its end is known, and that says more.
      await Promise.race([over, this.#deps.clock.sleep(LAST_WORDS_MS)]);
      throw error;
    }
  }

  async get(target: Target, path: string): Promise<Guest> {
    const held = this.#held.get(target.id);
    if (held?.incarnation === target.incarnation) {
      const guest = await held.guest;
      if (!guest.closed) return guest;
    }
    const again = this.#held.get(target.id);
    if (again !== held && again?.incarnation === target.incarnation) return await again.guest;
    const opening = this.#open(path, new AbortController().signal, ANSWER_MS);
    this.#held.set(target.id, { incarnation: target.incarnation, guest: opening });
    opening.catch(() => this.#held.delete(target.id));
    return await opening;
  }

  release(): void {
    for (const id of [...this.#held.keys()]) this.forget(id);
  }

  forget(id: string): void {
    const held = this.#held.get(id);
    this.#held.delete(id);
    held?.guest.then(
      (guest) => guest.close(),
      () => {},
    );
  }

  async #open(path: string, signal: AbortSignal, withinMs: number): Promise<Guest> {
    const { clock, rng, monitor } = this.#deps;
    const limit = new AbortController();
    const late = () => limit.abort(new ArcError('timeout', `the virtual machine did not answer in ${withinMs} ms`));
    const cancel = clock.after(withinMs, late);
    try {
      const { vsockPort } = monitor;
      const options = { path, nonce: rng.bytes(NONCE_BYTES), clock, ...(vsockPort !== undefined && { vsockPort }) };
      return new Guest(await GuestChannel.open(options, AbortSignal.any([signal, limit.signal])));
    } finally {
      cancel();
    }
  }
}
