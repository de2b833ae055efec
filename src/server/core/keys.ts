import { createHash } from 'node:crypto';
import { ArcError } from '../../contract/errors.ts';
import { base32, encodeId, ID_BYTES } from '../../contract/ids.ts';
import type { Clock, Rng } from '../../kit/clock.ts';
import type { Store, Write } from '../../store/store.ts';
import { type Caller, type EventRecord, type KeyRecord, type Keys, SCOPES, type Scope } from '../service.ts';
import { auditWrite } from './audit.ts';
import { requireScope } from './scopes.ts';

const KEY = 'key';
/** Keys kept at most. */
const KEYS_MAX = 1_000;
/** Randomness of a secret: 20 bytes are 32 characters. */
const SECRET_BYTES = 20;
const SECRET = /^arc_[a-z2-7]{16,128}$/;
const OWNER = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;
const NAME = /^[ -~]{1,64}$/;

/** API keys. Only hashes of their secrets are kept; a secret is random enough for a plain hash. */
export class KeyStore implements Keys {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #rng: Rng;
  /** Callers by the hash of their secret, as the store has them: only this class writes keys. */
  readonly #known = new Map<string, Caller>();
  #changes = 0;

  constructor(deps: { store: Store; clock: Clock; rng: Rng }) {
    this.#store = deps.store;
    this.#clock = deps.clock;
    this.#rng = deps.rng;
  }

  async authenticate(secret: string): Promise<Caller> {
    const hash = SECRET.test(secret) ? hashOf(secret) : undefined;
    const known = hash === undefined ? undefined : this.#known.get(hash);
    if (known) return known;
    const changes = this.#changes;
    const record = hash === undefined ? undefined : await this.#byHash(hash);
    if (!record) throw new ArcError('unauthorized', 'the API key is not known');
    const caller: Caller = { owner: record.owner, keyId: record.id, scopes: record.scopes };
    // What was read while a key was being revoked may be that key.
    if (this.#changes === changes) this.#known.set(record.hash, caller);
    return caller;
  }

  async callerOf(keyId: string): Promise<Caller | undefined> {
    const record = (await this.#store.get<KeyRecord>(KEY, keyId))?.value;
    return record && { owner: record.owner, keyId: record.id, scopes: record.scopes };
  }

  async create(
    caller: Caller,
    request: { name: string; owner: string; scopes: readonly Scope[] },
  ): Promise<{ key: KeyRecord; secret: string }> {
    requireScope(caller, 'admin');
    const faults: string[] = [];
    if (!NAME.test(request.name)) faults.push('name: 1 to 64 printable ASCII characters are wanted');
    if (!OWNER.test(request.owner)) faults.push('owner: letters, digits and . _ @ - are wanted, at most 64');
    if (request.scopes.length === 0) faults.push('scopes: at least one is wanted');
    for (const scope of request.scopes) {
      if (!SCOPES.includes(scope)) faults.push(`scopes: ${JSON.stringify(scope)} is none of ${SCOPES.join(', ')}`);
    }
    if (faults.length > 0) throw new ArcError('invalid_request', faults.join('; '), { extra: { faults } });
    if ((await this.#store.count({ kind: KEY })) >= KEYS_MAX) {
      throw new ArcError('invalid_request', `there are ${KEYS_MAX} keys already; revoke some first`);
    }
    const secret = `arc_${base32(this.#rng.bytes(SECRET_BYTES))}`;
    const key = await this.#write(secret, request, caller);
    return { key, secret };
  }

  async list(caller: Caller): Promise<readonly KeyRecord[]> {
    requireScope(caller, 'admin');
    return (await this.#store.list<KeyRecord>({ kind: KEY, limit: KEYS_MAX })).map((doc) => doc.value);
  }

  async revoke(caller: Caller, id: string): Promise<void> {
    requireScope(caller, 'admin');
    const doc = await this.#store.get<KeyRecord>(KEY, id);
    if (!doc) throw new ArcError('key_not_found', `there is no key ${JSON.stringify(id.slice(0, 80))}`);
    try {
      await this.#store.commit([
        { op: 'delete', kind: KEY, id, ifRevision: doc.revision },
        { op: 'event', value: this.#event(doc.value, 'revoked') },
        this.#audit(caller, 'key.revoke', doc.value),
      ]);
    } finally {
      this.#changes += 1;
      this.#known.delete(doc.value.hash);
    }
  }

  /** The operator's key, whose secret is kept in a file: it is known again even after it was revoked. */
  async ensureAdmin(secret: string): Promise<void> {
    if (!SECRET.test(secret)) throw new ArcError('invalid_config', 'the admin key is not of the form arc_…');
    if (await this.#byHash(hashOf(secret))) return;
    await this.#write(secret, { name: 'admin', owner: 'admin', scopes: ['admin'] });
  }

  async #write(
    secret: string,
    request: { name: string; owner: string; scopes: readonly Scope[] },
    by?: Caller,
  ): Promise<KeyRecord> {
    const key: KeyRecord = {
      id: encodeId('key', this.#rng.bytes(ID_BYTES)),
      name: request.name,
      owner: request.owner,
      scopes: [...new Set(request.scopes)],
      createdAt: this.#clock.now(),
      hash: hashOf(secret),
    };
    await this.#store.commit([
      {
        op: 'put',
        kind: KEY,
        id: key.id,
        value: key,
        ifRevision: 0,
        indexes: { hash: [key.hash] },
        unique: [`hash:${key.hash}`],
      },
      { op: 'event', value: this.#event(key, 'created') },
      ...(by ? [this.#audit(by, 'key.create', key)] : []),
    ]);
    return key;
  }

  async #byHash(hash: string): Promise<KeyRecord | undefined> {
    const where = [{ index: 'hash', value: hash }];
    const [doc] = await this.#store.list<KeyRecord>({ kind: KEY, where, limit: 1 });
    return doc?.value;
  }

  #audit(by: Caller, action: string, { id, name, owner, scopes }: KeyRecord): Write {
    const detail = `${name} of ${owner}: ${scopes.join(', ')}`;
    return auditWrite(by, this.#clock.now(), { action, subject: id, outcome: 'done', detail });
  }

  #event(key: KeyRecord, detail: string): EventRecord {
    return { time: this.#clock.now(), type: 'key', subject: key.id, owner: key.owner, detail };
  }
}

export function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
