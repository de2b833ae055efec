import type { Store } from '../../store/store.ts';
import { onlyKey, SANDBOX } from './row.ts';

/** The sandbox of this owner and template, where there may be one only and it is there. */
export async function oneThere(store: Store, owner: string, template: string): Promise<string | undefined> {
  const where = [{ index: 'only', value: onlyKey(owner, template) }];
  const [doc] = await store.list({ kind: SANDBOX, where, limit: 1 });
  return doc?.id;
}
