import type { QuotaView } from '../contract/schemas/quota.ts';
import { textTable } from './text-table.ts';

/** One row an owner: what is used of what there may be. */
export function quotaTable(quotas: readonly QuotaView[]): string {
  const of = (used: number | string, most: number | string | undefined) => `${used}/${most ?? '∞'}`;
  const rows = quotas.map(({ owner, limits, used }) => [
    owner,
    of(used.running, limits.running),
    of(used.total, limits.total),
    of(used.memory, limits.memory),
    String(limits.createdPerMinute ?? '∞'),
    limits.onePerTemplate ? 'yes' : 'no',
  ]);
  return textTable(['OWNER', 'RUNNING', 'TOTAL', 'MEMORY', 'A MINUTE', 'ONE PER TEMPLATE'], rows);
}
