import { asArcError } from '../../contract/errors.ts';
import { type HelperStart, IDMAP_UNSUPPORTED } from '../../host/helper/port.ts';
import type { StartOrder } from '../runtime.ts';
import type { OciDeps } from './deps.ts';
import type { SandboxFolder } from './sandbox-folder.ts';

/** Shown with the level, and with each sandbox. */
export const COPIES_NOTE = 'its layers are a copy of its own, since this kernel can not id-map them';

/**
 * Starts over shared, id-mapped layers; on a kernel that can't, over copies with the sandbox's own owners. Which of both is
 * found out by trying, and kept for the life of this process. Uids are distinct either way.
 */
export async function startOnLayers<T>(
  deps: Pick<OciDeps, 'copies' | 'plan' | 'log'>,
  order: StartOrder,
  folder: SandboxFolder,
  signal: AbortSignal,
  start: (lowers: Pick<HelperStart, 'lowers' | 'idmap'>) => Promise<T>,
): Promise<T> {
  const { copies, plan, log } = deps;
  const lowers = [...order.lowers, folder.names];
  if (!copies.needed) {
    try {
      return await start({ lowers, idmap: 'mount' });
    } catch (error) {
      const { extra, message } = asArcError(error);
      if (extra.cause !== IDMAP_UNSUPPORTED) throw error;
      log.warn({ why: message }, 'this kernel can not id-map layers: every sandbox gets a copy of its own');
      copies.needed = true;
    }
  }
  return await start({ lowers: await copies.make(order.id, lowers, plan.ids(order.slot), signal), idmap: 'none' });
}
