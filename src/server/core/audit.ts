import { ArcError } from '../../contract/errors.ts';
import { decodeCursor, encodeCursor } from '../../domain/cursors.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Store, Write } from '../../store/store.ts';
import type { Audit, AuditFilter, AuditNote, AuditRecord, Caller, Page } from '../service.ts';
import { requireScope } from './scopes.ts';

/** Records read in one go, and looked at for one page: a rare thing is found over several pages. */
const READ = 500;
const LOOKED_AT_MAX = 5_000;

/** What goes into the same commit as the change itself. */
export function auditWrite(caller: Caller, at: number, note: AuditNote): Write {
  const { owner, keyId: key, from } = caller;
  const value: AuditRecord = { at, owner, key, ...(from === undefined ? {} : { from }), ...note };
  return { op: 'record', value };
}

/** Who changed what, from where, and what came of it. Nothing writes over it; the oldest goes when there are too many. */
export class AuditLog implements Audit {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(deps: { store: Store; clock: Clock }) {
    this.#store = deps.store;
    this.#clock = deps.clock;
  }

  async note(caller: Caller, note: AuditNote): Promise<void> {
    await this.#store.commit([auditWrite(caller, this.#clock.now(), note)]);
  }

  async list(caller: Caller, filter: AuditFilter): Promise<Page<AuditRecord & { readonly seq: number }>> {
    requireScope(caller, 'admin');
    const { limit, cursor, ...where } = filter;
    const question = JSON.stringify(where);
    let before = cursor === undefined ? undefined : Number(decodeCursor(cursor, question));
    if (Number.isNaN(before)) throw new ArcError('cursor_invalid', 'this cursor is not one of this list');
    const items: (AuditRecord & { readonly seq: number })[] = [];
    for (let looked = 0; looked < LOOKED_AT_MAX; looked += READ) {
      const page = await this.#store.records<AuditRecord>(before, READ);
      for (const { seq, value } of page) {
        before = seq;
        if (!matches(value, where)) continue;
        items.push({ seq, ...value });
        if (items.length === limit) return { items, nextCursor: encodeCursor(String(seq), question) };
      }
      if (page.length < READ) return { items };
    }
    return { items, nextCursor: encodeCursor(String(before), question) };
  }
}

function matches(record: AuditRecord, { owner, subject, action }: Omit<AuditFilter, 'limit' | 'cursor'>): boolean {
  return (
    (owner === undefined || record.owner === owner) &&
    (subject === undefined || record.subject === subject) &&
    (action === undefined || record.action === action || record.action.startsWith(`${action}.`))
  );
}
