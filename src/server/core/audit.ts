import { ArcError } from '../../contract/errors.ts';
import { decodeCursor, encodeCursor } from '../../domain/cursors.ts';
import { matches as hasLabels, parseSelectors, type Selector } from '../../domain/selectors.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Store, Write } from '../../store/store.ts';
import type { Audit, AuditFilter, AuditNote, AuditRecord, Caller, Page } from '../service.ts';
import { SANDBOX, type SandboxRow } from './row.ts';
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

/** What people search the log by; a sandbox without labels needs no room for them. */
export function labelsOf({ labels }: Pick<SandboxRow, 'labels'>): Pick<AuditNote, 'labels'> {
  return Object.keys(labels).length === 0 ? {} : { labels };
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
    const found = await this.#labels(note.subject);
    await this.#store.commit([auditWrite(caller, this.#clock.now(), { ...note, ...found })]);
  }

  async list(caller: Caller, filter: AuditFilter): Promise<Page<AuditRecord & { readonly seq: number }>> {
    requireScope(caller, 'admin');
    const { limit, cursor, ...where } = filter;
    const selectors = parseSelectors(where.labels ?? []);
    const question = JSON.stringify(where);
    let before = cursor === undefined ? undefined : Number(decodeCursor(cursor, question));
    if (Number.isNaN(before)) throw new ArcError('cursor_invalid', 'this cursor is not one of this list');
    const items: (AuditRecord & { readonly seq: number })[] = [];
    for (let looked = 0; looked < LOOKED_AT_MAX; looked += READ) {
      const page = await this.#store.records<AuditRecord>(before, READ);
      for (const { seq, value } of page) {
        before = seq;
        if (!matches(value, where, selectors)) continue;
        items.push({ seq, ...value });
        if (items.length === limit) return { items, nextCursor: encodeCursor(String(seq), question) };
      }
      if (page.length < READ) return { items };
    }
    return { items, nextCursor: encodeCursor(String(before), question) };
  }

  /** Of the sandbox, where the subject is one that is still known. */
  async #labels(subject: string | undefined): Promise<Pick<AuditNote, 'labels'>> {
    if (!subject?.startsWith('sb-')) return {};
    const found = await this.#store.get<SandboxRow>(SANDBOX, subject);
    return found ? labelsOf(found.value) : {};
  }
}

function matches(
  record: AuditRecord,
  { owner, subject, action }: Omit<AuditFilter, 'limit' | 'cursor'>,
  selectors: readonly Selector[],
): boolean {
  return (
    (owner === undefined || record.owner === owner) &&
    (subject === undefined || record.subject === subject) &&
    (selectors.length === 0 || hasLabels(record.labels ?? {}, selectors)) &&
    (action === undefined || record.action === action || record.action.startsWith(`${action}.`))
  );
}
