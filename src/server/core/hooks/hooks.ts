import { ArcError } from '../../../contract/errors.ts';
import { encodeId, ID_BYTES } from '../../../contract/ids.ts';
import { hookSecret } from '../../../domain/hooks/sign.ts';
import { parseSelectors } from '../../../domain/selectors.ts';
import type { Clock, Rng } from '../../../kit/clock.ts';
import type { Logger } from '../../../kit/logger.ts';
import type { Store } from '../../../store/store.ts';
import type { Caller, EventRecord, HookFilter, HookRecord, HookStatus, Hooks, HookTry } from '../../service.ts';
import { requireScope } from '../scopes.ts';
import { testMessage } from './compose.ts';
import { Courier, HOOK_CURSOR } from './courier.ts';
import { HOOKS_MAX, SECRET_BYTES } from './options.ts';
import type { Send } from './send.ts';

const HOOK = 'hook';

export interface HookDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  readonly send: Send;
}

/**
 * Where events are sent to. Only operators say where: whoever may name an address makes this machine ask there, with
 * whatever it can reach.
 */
export class HookStore implements Hooks {
  readonly #deps: HookDeps;
  readonly #couriers = new Map<string, Courier>();
  #unlisten: () => void = () => {};

  constructor(deps: HookDeps) {
    this.#deps = deps;
  }

  /** Goes on where an earlier run left off. */
  async begin(): Promise<void> {
    const { store } = this.#deps;
    for (const { value } of await store.list<HookRecord>({ kind: HOOK, limit: HOOKS_MAX })) {
      const cursor = await store.get<{ readonly seq: number }>(HOOK_CURSOR, value.id);
      this.#open(value, cursor?.value.seq ?? (await store.eventBounds()).newest);
    }
    this.#unlisten = store.onEvents(() => {
      for (const courier of this.#couriers.values()) courier.kick();
    });
  }

  async close(): Promise<void> {
    this.#unlisten();
    await Promise.all([...this.#couriers.values()].map((courier) => courier.close()));
  }

  /** Events after this one are still to be sent; undefined: nobody waits for any. */
  needed(): number | undefined {
    const cursors = [...this.#couriers.values()].filter(({ isOver }) => !isOver).map(({ cursor }) => cursor);
    return cursors.length === 0 ? undefined : Math.min(...cursors);
  }

  async create(
    caller: Caller,
    order: { readonly url: string; readonly format: HookRecord['format']; readonly filter: HookFilter },
  ): Promise<{ hook: HookRecord; status: HookStatus }> {
    requireScope(caller, 'admin');
    checkUrl(order.url);
    parseSelectors(order.filter.labels);
    const { clock, rng, store } = this.#deps;
    if (this.#couriers.size >= HOOKS_MAX) {
      throw new ArcError('invalid_request', `there are ${HOOKS_MAX} hooks already; remove some first`);
    }
    const hook: HookRecord = {
      id: encodeId('hk', rng.bytes(ID_BYTES)),
      ...order,
      secret: hookSecret(rng.bytes(SECRET_BYTES)),
      createdAt: clock.now(),
    };
    const { newest } = await store.eventBounds();
    await store.commit([
      { op: 'put', kind: HOOK, id: hook.id, value: hook, ifRevision: 0 },
      { op: 'put', kind: HOOK_CURSOR, id: hook.id, value: { seq: newest } },
      { op: 'event', value: this.#event(caller, hook, 'created') },
    ]);
    return { hook, status: this.#open(hook, newest).status() };
  }

  async list(caller: Caller): Promise<readonly { hook: HookRecord; status: HookStatus }[]> {
    requireScope(caller, 'admin');
    return [...this.#couriers.values()].map((courier) => ({ hook: courier.hook, status: courier.status() }));
  }

  async remove(caller: Caller, id: string): Promise<void> {
    requireScope(caller, 'admin');
    const courier = this.#courier(id);
    this.#couriers.delete(id);
    await courier.close();
    await this.#deps.store.commit([
      { op: 'delete', kind: HOOK, id },
      { op: 'delete', kind: HOOK_CURSOR, id },
      { op: 'event', value: this.#event(caller, courier.hook, 'removed') },
    ]);
  }

  async test(caller: Caller, id: string): Promise<{ ok: boolean; detail: string; ms: number }> {
    requireScope(caller, 'admin');
    const { clock, rng } = this.#deps;
    const courier = this.#courier(id);
    const began = clock.monotonic();
    const answer = await courier.once(testMessage(courier.hook, encodeId('req', rng.bytes(ID_BYTES)), clock.now()));
    const ms = Math.round(clock.monotonic() - began);
    return { ok: answer.kind === 'taken', detail: 'detail' in answer ? answer.detail : 'it was taken', ms };
  }

  deliveries(caller: Caller, id: string): readonly HookTry[] {
    requireScope(caller, 'admin');
    return this.#courier(id).tries();
  }

  statuses(): readonly { id: string; status: HookStatus }[] {
    return [...this.#couriers].map(([id, courier]) => ({ id, status: courier.status() }));
  }

  #open(hook: HookRecord, cursor: number): Courier {
    const { logger, store } = this.#deps;
    const onEnded = async (detail: string) => {
      logger.warn({ hook: hook.id, detail }, 'the receiver of a hook is gone for good; nothing is sent there any more');
      await store.commit([{ op: 'put', kind: HOOK, id: hook.id, value: { ...hook, ended: detail } }]).catch((error) => {
        logger.warn({ hook: hook.id, error }, 'that could not be written down; it will be asked once more');
      });
    };
    const courier = new Courier({ ...this.#deps, onEnded }, hook, cursor);
    this.#couriers.set(hook.id, courier);
    courier.begin();
    return courier;
  }

  #courier(id: string): Courier {
    const found = this.#couriers.get(id);
    if (!found) throw new ArcError('hook_not_found', `there is no hook ${JSON.stringify(id.slice(0, 80))}`);
    return found;
  }

  #event(caller: Caller, { id }: HookRecord, detail: string): EventRecord {
    return { time: this.#deps.clock.now(), type: 'hook', subject: id, owner: caller.owner, detail };
  }
}

function checkUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const fits = url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
  if (!fits) throw new ArcError('invalid_request', 'url: an http or https address without name and password is wanted');
}
