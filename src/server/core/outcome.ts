import { ArcError } from '../../contract/errors.ts';
import { isPending } from '../../domain/lifecycle.ts';
import type { CreateOptions } from '../service.ts';
import type { Core } from './context.ts';
import { goneError } from './ending.ts';
import type { SandboxRow } from './row.ts';

export type Outcome =
  | { readonly kind: 'settled'; readonly row: SandboxRow }
  /** The wait is over, or the client is gone. */
  | { readonly kind: 'pending' | 'abandoned' };

/** A wait that has begun, so that nothing that happens from now on is missed. */
export interface Wait {
  outcome(options: CreateOptions): Promise<Outcome>;
  leave(): void;
}

export function beginWait(core: Core, id: string, incarnation: number): Wait {
  const waiter = core.waiters.wait(id, incarnation);
  return {
    leave: waiter.leave,
    async outcome(options) {
      if (options.signal.aborted) return { kind: 'abandoned' };
      const other = Promise.withResolvers<Outcome>();
      const onAbort = () => other.resolve({ kind: 'abandoned' });
      options.signal.addEventListener('abort', onAbort, { once: true });
      const cancel = core.clock.after(options.waitMs, () => other.resolve({ kind: 'pending' }));
      try {
        const settled = waiter.promise.then((row): Outcome => ({ kind: 'settled', row }));
        return await Promise.race([settled, other.promise]);
      } finally {
        cancel();
        options.signal.removeEventListener('abort', onAbort);
        waiter.leave();
      }
    },
  };
}

/** What a row says to somebody who wants it running; `undefined`: not known yet. */
export function verdict(row: SandboxRow): SandboxRow | undefined {
  if (row.state === 'removed') throw goneError(row);
  if (row.state === 'failed')
    throw new ArcError(row.failure ?? 'start_failed', row.detail ?? 'it could not be started');
  return isPending(row.state) ? undefined : row;
}
