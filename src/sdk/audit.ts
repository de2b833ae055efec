import type { AuditEntry, AuditList } from '../contract/schemas/audit.ts';
import type { Context } from './context.ts';

export interface AuditQuery {
  readonly owner?: string;
  readonly subject?: string;
  /** Such as `sandbox.create`, or `sandbox` for all that begin so. */
  readonly action?: string;
}

/** Entries asked for at once. */
const PAGE = 500;

/** The newest first, page by page as far as it is read. */
export async function* auditEntries(context: Context, query: AuditQuery): AsyncGenerator<AuditEntry> {
  let cursor: string | undefined;
  do {
    const page: AuditList = await context.http.json('GET', '/v1/audit', { query: { ...query, limit: PAGE, cursor } });
    yield* page.items;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}
