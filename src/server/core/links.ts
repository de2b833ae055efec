import { ArcError } from '../../contract/errors.ts';
import { base32, encodeId, ID_BYTES } from '../../contract/ids.ts';
import { LINK_SECRET_PREFIX } from '../../contract/schemas/link.ts';
import type { Clock, Rng } from '../../kit/clock.ts';
import type { Store, Write } from '../../store/store.ts';
import type { Caller, LinkOrder, LinkRecord, Links, Sandboxes } from '../service.ts';
import { auditWrite } from './audit.ts';
import { hashOf } from './keys.ts';
import { requireScope } from './scopes.ts';

const LINK = 'link';
export const LINK_MS_MAX = 30 * 24 * 3_600_000;
/** Links of one sandbox at most; those that are over make room. */
const LINKS_PER_SANDBOX_MAX = 64;
/** Links of any sandbox that are looked at when one is made. */
const SWEEP_MAX = 200;
const SECRET_BYTES = 20;
const SECRET = /^arcl_[a-z2-7]{32}$/;

/**
 * Links to one sandbox. The secret is random and kept as a hash beside what it opens, instead of being a signed text: so
 * a link can be listed and revoked, there is no signing key that could leak, and it says nothing to who finds it.
 */
export class LinkStore implements Links {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #rng: Rng;
  readonly #sandboxes: Pick<Sandboxes, 'get'>;

  constructor(deps: { store: Store; clock: Clock; rng: Rng; sandboxes: Pick<Sandboxes, 'get'> }) {
    this.#store = deps.store;
    this.#clock = deps.clock;
    this.#rng = deps.rng;
    this.#sandboxes = deps.sandboxes;
  }

  async create(caller: Caller, sandbox: string, order: LinkOrder): Promise<{ link: LinkRecord; secret: string }> {
    requireScope(caller, 'sandboxes:write');
    if (order.forMs <= 0 || order.forMs > LINK_MS_MAX || order.extendMs <= 0 || order.extendMs > LINK_MS_MAX) {
      throw new ArcError('invalid_request', 'for, extendBy: durations above 0 and of at most 30 days are wanted');
    }
    const { owner } = await this.#sandboxes.get(caller, sandbox);
    await this.#makeRoom(sandbox);
    const secret = `${LINK_SECRET_PREFIX}${base32(this.#rng.bytes(SECRET_BYTES))}`;
    const createdAt = this.#clock.now();
    const { may, forMs, extendMs } = order;
    const link: LinkRecord = {
      ...{ id: encodeId('lk', this.#rng.bytes(ID_BYTES)), sandbox, owner, may, extendMs, createdAt },
      expiresAt: createdAt + forMs,
      hash: hashOf(secret),
    };
    const indexes = { hash: [link.hash], sandbox: [sandbox] };
    const note = { action: 'link.create', subject: sandbox, outcome: 'done', detail: `${link.id}: ${may.join(', ')}` };
    await this.#store.commit([
      { op: 'put', kind: LINK, id: link.id, value: link, ifRevision: 0, indexes },
      auditWrite(caller, createdAt, note),
    ]);
    return { link, secret };
  }

  async list(caller: Caller, sandbox: string): Promise<readonly LinkRecord[]> {
    requireScope(caller, 'sandboxes:write');
    await this.#sandboxes.get(caller, sandbox);
    return (await this.#of(sandbox)).filter(({ expiresAt }) => expiresAt > this.#clock.now());
  }

  async revoke(caller: Caller, sandbox: string, id: string): Promise<void> {
    requireScope(caller, 'sandboxes:write');
    await this.#sandboxes.get(caller, sandbox);
    const found = (await this.#of(sandbox)).find((link) => link.id === id);
    if (!found) throw new ArcError('link_not_found', `${sandbox} has no link ${JSON.stringify(id.slice(0, 80))}`);
    const note = { action: 'link.revoke', subject: sandbox, outcome: 'done', detail: found.id };
    await this.#store.commit([{ op: 'delete', kind: LINK, id: found.id }, auditWrite(caller, this.#clock.now(), note)]);
  }

  async authenticate(secret: string): Promise<Caller> {
    const where = [{ index: 'hash', value: hashOf(secret) }];
    const [doc] = SECRET.test(secret) ? await this.#store.list<LinkRecord>({ kind: LINK, where, limit: 1 }) : [];
    if (!doc || doc.value.expiresAt <= this.#clock.now()) {
      throw new ArcError('unauthorized', 'this link is not valid any more', { hint: 'Ask for a new one.' });
    }
    const { id, sandbox, owner, may, extendMs, expiresAt } = doc.value;
    return {
      ...{ owner, keyId: id, scopes: ['sandboxes:read', 'sandboxes:write'] },
      link: { id, sandbox, may, extendMs, expiresAt },
    };
  }

  async #of(sandbox: string): Promise<readonly LinkRecord[]> {
    const where = [{ index: 'sandbox', value: sandbox }];
    return (await this.#store.list<LinkRecord>({ kind: LINK, where, limit: 1_000 })).map(({ value }) => value);
  }

  async #makeRoom(sandbox: string): Promise<void> {
    const links = await this.#of(sandbox);
    const now = this.#clock.now();
    const over = links.filter(({ expiresAt }) => expiresAt <= now);
    if (links.length - over.length >= LINKS_PER_SANDBOX_MAX) {
      throw new ArcError('invalid_request', `${sandbox} has ${LINKS_PER_SANDBOX_MAX} links; revoke some first`);
    }
    // Those of sandboxes that are long gone are met by and by, from a place in the order that nobody chose.
    const after = encodeId('lk', this.#rng.bytes(ID_BYTES));
    for (const { value } of await this.#store.list<LinkRecord>({ kind: LINK, after, limit: SWEEP_MAX })) {
      if (value.expiresAt <= now) over.push(value);
    }
    const ids = new Set(over.map(({ id }) => id));
    const writes = [...ids].map((id): Write => ({ op: 'delete', kind: LINK, id }));
    if (writes.length > 0) await this.#store.commit(writes);
  }
}
