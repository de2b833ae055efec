import type { Store } from '../../store/store.ts';
import type { Caller, EventRecord } from '../service.ts';
import { isAdmin } from './scopes.ts';

/** Events read from the store in one go. */
const EVENTS_PAGE = 500;
const FOR_ADMINS: ReadonlySet<EventRecord['type']> = new Set(['key', 'hook', 'alert']);

/** Events the caller may see, after `afterSeq` (from now on where it is undefined), until the signal aborts. */
export async function* feed(
  store: Store,
  caller: Caller,
  afterSeq: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<{ readonly seq: number; readonly event: EventRecord }> {
  let ring: () => void = () => {};
  let news = Promise.withResolvers<void>();
  const end = store.onEvents(() => ring());
  ring = () => news.resolve();
  signal.addEventListener('abort', ring, { once: true });
  try {
    let seq = afterSeq ?? (await store.eventBounds()).newest;
    while (!signal.aborted) {
      const page = await store.events<EventRecord>(seq, EVENTS_PAGE);
      for (const { seq: at, value } of page) {
        seq = at;
        if (maySee(caller, value)) yield { seq: at, event: value };
        if (signal.aborted) return;
      }
      if (page.length > 0) continue;
      await news.promise;
      news = Promise.withResolvers<void>();
    }
  } finally {
    end();
    signal.removeEventListener('abort', ring);
  }
}

function maySee(caller: Caller, event: EventRecord): boolean {
  if (caller.link) return event.type === 'sandbox' && event.subject === caller.link.sandbox;
  if (isAdmin(caller)) return true;
  if (FOR_ADMINS.has(event.type)) return false;
  return event.type === 'template' || event.owner === caller.owner;
}
