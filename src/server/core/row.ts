import type { ErrorCode } from '../../contract/errors.ts';
import type { Deadline } from '../../domain/deadline.ts';
import { isPending, isUp } from '../../domain/lifecycle.ts';
import { ceilingsOf, type Quota, talliesOf } from '../../domain/quota.ts';
import { labelIndexes } from '../../domain/selectors.ts';
import type { Route } from '../../edge/router.ts';
import type { CreateOrder, Target } from '../../engines/engine.ts';
import type { IndexEntries, Write } from '../../store/store.ts';
import type { EventRecord, HistoryEntry, SandboxRecord, StopsRecord } from '../service.ts';

export const SANDBOX = 'sandbox';
export const IDEMPOTENCY = 'idempotency';

/** A sandbox as it is stored: what callers see, and what only the control plane needs. */
export interface SandboxRow extends SandboxRecord {
  /** When its time to live is over. */
  readonly deadline?: Deadline;
  /** Beyond this nobody can extend it. */
  readonly latest?: Deadline;
  /** Stopped by a policy and not by its end: the next request starts it again. Kept until it runs. */
  readonly parked?: { readonly keep: boolean };
  /** What it was warned of last. */
  readonly warning?: StopsRecord;
  /** When a failed row is removed, or a removed one forgotten. */
  readonly keepUntil?: Deadline;
  /** The code behind `failed`, thrown again to who asks for the same create. */
  readonly failure?: ErrorCode;
  /** Texts that are written into it at each fresh start. */
  readonly files?: Readonly<Record<string, string>>;
  /** No other of this owner and template may be there beside it. */
  readonly only?: true;
  /** The document of the idempotency key it was created with; forgotten together with the row. */
  readonly idempotency?: string;
}

/** A row as it was read or written, with the revision that the next write must match. */
export interface Versioned {
  readonly row: SandboxRow;
  readonly revision: number;
}

/** Callers get neither deadlines nor keys. */
export function publicRecord(row: SandboxRow): SandboxRecord {
  const { deadline: _deadline, keepUntil: _keep, failure: _failure, idempotency: _key, files: _files, ...some } = row;
  const { only: _only, ...most } = some;
  const { latest: _latest, parked: _parked, warning: _warning, ...record } = most;
  return record;
}

/** A request brings it back: it is parked, or on its way back already. */
export function wakes(row: SandboxRow): boolean {
  return row.state === 'frozen' || (row.parked !== undefined && (row.state === 'stopped' || isPending(row.state)));
}

export function targetOf(row: Target): Target {
  return { id: row.id, incarnation: row.incarnation };
}

export function orderOf(row: SandboxRow): CreateOrder {
  const { id, incarnation, owner, labels, spec, fresh } = row;
  return { id, incarnation, owner, labels, spec, fresh };
}

/** With variables that its row does not have. */
export function withEnv(order: CreateOrder, env: Readonly<Record<string, string>>): CreateOrder {
  return { ...order, spec: { ...order.spec, env: { ...order.spec.env, ...env } } };
}

export function routeOf(row: SandboxRow): Route {
  return {
    id: row.id,
    incarnation: row.incarnation,
    state: row.state,
    reason: row.reason,
    ...(row.detail === undefined ? {} : { detail: row.detail }),
    ...(isUp(row.state) && row.placement ? { address: row.placement.address } : {}),
    ...(wakes(row) ? { wakes: true } : {}),
    ports: row.spec.ports,
    ...(row.spec.tcp === undefined ? {} : { tcp: row.spec.tcp }),
    ...(row.tcpPorts === undefined || row.state === 'removed' ? {} : { tcpPorts: row.tcpPorts }),
    ...(row.spec.access === undefined ? {} : { access: row.spec.access }),
    since: sinceOf(row),
  };
}

/** When it came to be in its state: the first of the last entries that say so. */
function sinceOf({ state, history }: SandboxRow): number {
  const before = history.findLastIndex((entry) => entry.state !== state);
  return history[before + 1]?.at ?? 0;
}

/** Removed rows are found by their state only, all others by `live`. */
function indexesOf(row: SandboxRow): IndexEntries {
  return {
    owner: [row.owner],
    state: [row.state],
    template: [row.spec.template],
    ...(row.state === 'removed' ? {} : { live: ['1'] }),
    // Of those that are parked with nothing running there may be very many: no pass goes through them.
    ...(row.state === 'removed' || (row.state === 'stopped' && row.parked) ? {} : { awake: ['1'] }),
    ...(isOnly(row) ? { only: [onlyKey(row.owner, row.spec.template)] } : {}),
    ...labelIndexes(row.labels),
  };
}

/** One that failed is in nobody's way. */
const isOnly = (row: SandboxRow): boolean => row.only === true && row.state !== 'removed' && row.state !== 'failed';

export const onlyKey = (owner: string, template: string): string => `${owner}/${template}`;

/** The store itself refuses a second owner of an address, and a second one of what there may be one of. */
function uniqueOf(row: SandboxRow): readonly string[] {
  return [
    ...(row.placement ? [`address:${row.placement.node}/${row.placement.address}`] : []),
    ...(row.state === 'removed' ? [] : Object.values(row.tcpPorts ?? {}).map((port) => `tcp:${port}`)),
    ...(isOnly(row) ? [`only:${onlyKey(row.owner, row.spec.template)}`] : []),
  ];
}

/** @param quota of its owner, which the store holds this write to */
export function putRow(row: SandboxRow, ifRevision: number, quota: Quota = {}): Write {
  return {
    op: 'put',
    kind: SANDBOX,
    id: row.id,
    value: row,
    ifRevision,
    indexes: indexesOf(row),
    unique: uniqueOf(row),
    tallies: talliesOf(row),
    ceilings: ceilingsOf(row.owner, quota),
  };
}

export function eventWrite(value: EventRecord): Write {
  return { op: 'event', value };
}

/** One event for each step that `after` has and `before` has not. */
export function changeEvents(before: SandboxRow | undefined, after: SandboxRow): readonly Write[] {
  const fresh = after.history.filter((entry) => !before?.history.includes(entry));
  let from = before?.state;
  return fresh.map((entry: HistoryEntry) => {
    const write = eventWrite(sandboxEvent(after, entry, from));
    from = entry.state;
    return write;
  });
}

export function sandboxEvent(
  row: SandboxRow,
  entry: HistoryEntry,
  from: HistoryEntry['state'] | undefined,
): EventRecord {
  return {
    time: entry.at,
    type: 'sandbox',
    subject: row.id,
    owner: row.owner,
    state: entry.state,
    ...(from === undefined ? {} : { from }),
    reason: entry.reason,
    ...(entry.detail === undefined ? {} : { detail: entry.detail }),
    labels: row.labels,
    incarnation: row.incarnation,
    ...(entry.state === 'warned' && row.warning ? { stops: row.warning } : {}),
  };
}
