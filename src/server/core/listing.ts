import { ArcError } from '../../contract/errors.ts';
import { STATES, type State } from '../../contract/states.ts';
import { decodeCursor, encodeCursor } from '../../domain/cursors.ts';
import { parseSelectors, selectorWhere } from '../../domain/selectors.ts';
import type { Store } from '../../store/store.ts';
import type { Caller, ListFilter, Page } from '../service.ts';
import { SANDBOX, type SandboxRow } from './row.ts';
import { isAdmin } from './scopes.ts';

const LIMIT_MAX = 999;

/** One page in the order of ids. Removed ones are listed only where that state is asked for. */
export async function listPage(store: Store, caller: Caller, filter: ListFilter): Promise<Page<SandboxRow>> {
  const { limit } = filter;
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
    throw new ArcError('invalid_request', 'limit: a number from 1 to 1000 is wanted');
  }
  const where = parseSelectors(filter.labels ?? []).map(selectorWhere);
  if (filter.state !== 'removed') where.push({ index: 'live', value: '1' });
  if (filter.state !== undefined) where.push({ index: 'state', value: filter.state });
  if (filter.template !== undefined) where.push({ index: 'template', value: filter.template });
  if (!isAdmin(caller)) {
    if (filter.owner !== undefined && filter.owner !== caller.owner) return { items: [] };
    where.push({ index: 'owner', value: caller.owner });
  } else if (filter.owner !== undefined) where.push({ index: 'owner', value: filter.owner });
  const question = JSON.stringify(where);
  const after = filter.cursor === undefined ? {} : { after: decodeCursor(filter.cursor, question) };
  const wanted = Math.min(limit, LIMIT_MAX);
  const docs = await store.list<SandboxRow>({ kind: SANDBOX, where, limit: wanted + 1, ...after });
  const items = docs.slice(0, wanted).map((doc) => doc.value);
  const last = items.at(-1);
  return docs.length > wanted && last ? { items, nextCursor: encodeCursor(last.id, question) } : { items };
}

/** Counted by the store's index, however many there are. */
export async function countByState(store: Store): Promise<Readonly<Record<State, number>>> {
  const counts = Object.fromEntries(STATES.map((state) => [state, 0])) as Record<State, number>;
  for (const state of STATES.filter((one) => one !== 'removed')) {
    counts[state] = await store.count({ kind: SANDBOX, where: [{ index: 'state', value: state }] });
  }
  return counts;
}
