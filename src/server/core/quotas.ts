import { ArcError } from '../../contract/errors.ts';
import { OWNER_PATTERN } from '../../contract/schemas/quota.ts';
import {
  ceilingsOf,
  type OwnQuota,
  type Quota,
  quotaError,
  quotaOf,
  talliesOf,
  tallyNames,
} from '../../domain/quota.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Store } from '../../store/store.ts';
import type { Caller, QuotaRecord, Quotas } from '../service.ts';
import { auditWrite } from './audit.ts';
import { SANDBOX, type SandboxRow } from './row.ts';
import { requireScope } from './scopes.ts';

const QUOTA = 'quota';
/** Owners with a quota of their own at most. */
const QUOTAS_MAX = 1_000;
const OWNER = new RegExp(OWNER_PATTERN);

/**
 * What each owner may have. The limits are known here; what is used is summed by the store, which decides about them in
 * the same write as the change that would use more.
 */
export class QuotaStore implements Quotas {
  readonly #store: Store;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #defaults: Quota;
  readonly #own = new Map<string, OwnQuota>();

  constructor(deps: { store: Store; clock: Pick<Clock, 'now'>; defaults: Quota }) {
    this.#clock = deps.clock;
    this.#store = deps.store;
    this.#defaults = deps.defaults;
  }

  async load(): Promise<void> {
    for (const { id, value } of await this.#store.list<OwnQuota>({ kind: QUOTA, limit: QUOTAS_MAX })) {
      this.#own.set(id, value);
    }
  }

  of(owner: string): Quota {
    return quotaOf(owner, this.#defaults, this.#own.get(owner));
  }

  /** Before anything is touched for a create; the write itself decides. Throws quota_exceeded. */
  async check(row: Pick<SandboxRow, 'owner' | 'state' | 'spec'>): Promise<void> {
    const ceilings = ceilingsOf(row.owner, this.of(row.owner));
    const wanted = talliesOf(row);
    for (const [tally, most] of Object.entries(ceilings)) {
      const used = (await this.#store.tally(SANDBOX, tally)) + (wanted[tally] ?? 0);
      if (used <= most) continue;
      throw quotaError(new ArcError('quota_exceeded', tally, { extra: { tally, used, most } }), row.owner);
    }
  }

  async get(caller: Caller, owner: string): Promise<QuotaRecord> {
    if (owner !== caller.owner) requireScope(caller, 'admin');
    return await this.#record(named(owner));
  }

  async list(caller: Caller): Promise<readonly QuotaRecord[]> {
    requireScope(caller, 'admin');
    return await Promise.all([...this.#own.keys()].sort().map((owner) => this.#record(owner)));
  }

  async set(caller: Caller, owner: string, own: OwnQuota): Promise<QuotaRecord> {
    requireScope(caller, 'admin');
    if (!this.#own.has(named(owner)) && this.#own.size >= QUOTAS_MAX) {
      throw new ArcError('invalid_request', `${QUOTAS_MAX} owners have quotas of their own; remove some first`);
    }
    const note = { action: 'quota.set', subject: owner, outcome: 'done', detail: JSON.stringify(own) };
    await this.#store.commit([
      { op: 'put', kind: QUOTA, id: owner, value: own },
      auditWrite(caller, this.#clock.now(), note),
    ]);
    this.#own.set(owner, own);
    return await this.#record(owner);
  }

  async remove(caller: Caller, owner: string): Promise<void> {
    requireScope(caller, 'admin');
    const note = { action: 'quota.remove', subject: named(owner), outcome: 'done' };
    await this.#store.commit([{ op: 'delete', kind: QUOTA, id: owner }, auditWrite(caller, this.#clock.now(), note)]);
    this.#own.delete(owner);
  }

  async #record(owner: string): Promise<QuotaRecord> {
    const names = tallyNames(owner);
    const [running, total, memoryBytes] = await Promise.all(
      [names.running, names.total, names.memoryBytes].map((name) => this.#store.tally(SANDBOX, name)),
    );
    const used = { running: running ?? 0, total: total ?? 0, memoryBytes: memoryBytes ?? 0 };
    return { owner, own: this.#own.get(owner), limits: this.of(owner), used };
  }
}

function named(owner: string): string {
  if (!OWNER.test(owner))
    throw new ArcError('invalid_request', 'owner: letters, digits and . _ @ - are wanted, at most 64');
  return owner;
}
