import type { AuditEntry, AuditList } from '../contract/schemas/audit.ts';
import type { Context } from './context.ts';

export interface AuditQuery {
  readonly owner?: string;
  readonly subject?: string;
  /** Such as `sandbox.create`, or `sandbox` for all that begin so. */
  readonly action?: string;
  /** Of the sandbox: `key=value`, or `key` for any value; all must match. */
  readonly labels?: readonly string[];
}

/** Entries asked for at once. */
const PAGE = 500;

/** The newest first, page by page as far as it is read. */
export async function* auditEntries(context: Context, query: AuditQuery): AsyncGenerator<AuditEntry> {
  const { labels: label, ...where } = query;
  let cursor: string | undefined;
  do {
    const page: AuditList = await context.http.json('GET', '/v1/audit', {
      query: { ...where, label, limit: PAGE, cursor },
    });
    yield* page.items;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}
