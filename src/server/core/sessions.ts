import { ArcError } from '../../contract/errors.ts';
import { base32 } from '../../contract/ids.ts';
import type { Clock, Rng } from '../../kit/clock.ts';
import type { Doc, Store, Write } from '../../store/store.ts';
import type { Caller, Keys, Sessions } from '../service.ts';
import { hashOf } from './keys.ts';

const SESSION = 'session';
/** From signing in, whatever is done meanwhile. */
export const SESSION_MS = 12 * 3_600_000;
/** People signed in at most. */
const SESSIONS_MAX = 10_000;
/** Sessions that are over and forgotten at one sign-in. */
const FORGET_MAX = 200;
const SECRET_BYTES = 20;
const SECRET = /^[a-z2-7]{32}$/;

interface SessionRow {
  readonly keyId: string;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/**
 * Sessions of the console. They are rows like everything else, so a restart of the server signs nobody out; only the
 * hash of a secret is kept. The key decides at every request: once it is revoked its sessions are over.
 */
export class SessionStore implements Sessions {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #rng: Rng;
  readonly #keys: Pick<Keys, 'authenticate' | 'callerOf'>;

  constructor(deps: { store: Store; clock: Clock; rng: Rng; keys: Pick<Keys, 'authenticate' | 'callerOf'> }) {
    this.#store = deps.store;
    this.#clock = deps.clock;
    this.#rng = deps.rng;
    this.#keys = deps.keys;
  }

  async open(key: string): Promise<{ secret: string; caller: Caller; expiresAt: number }> {
    const caller = await this.#keys.authenticate(key);
    await this.#forgetOld();
    const secret = base32(this.#rng.bytes(SECRET_BYTES));
    const createdAt = this.#clock.now();
    const value: SessionRow = { keyId: caller.keyId, createdAt, expiresAt: createdAt + SESSION_MS };
    await this.#store.commit([{ op: 'put', kind: SESSION, id: hashOf(secret), value, ifRevision: 0 }]);
    return { secret, caller, expiresAt: value.expiresAt };
  }

  async authenticate(secret: string): Promise<{ caller: Caller; expiresAt: number }> {
    const row = SECRET.test(secret) ? await this.#store.get<SessionRow>(SESSION, hashOf(secret)) : undefined;
    if (!row || row.value.expiresAt <= this.#clock.now()) throw over('the session is over; sign in again');
    const caller = await this.#keys.callerOf(row.value.keyId);
    if (!caller) throw over('the key of this session was revoked');
    return { caller, expiresAt: row.value.expiresAt };
  }

  async close(secret: string): Promise<void> {
    if (SECRET.test(secret)) await this.#store.commit([{ op: 'delete', kind: SESSION, id: hashOf(secret) }]);
  }

  /** Signing in makes room: what is over goes, and where that is not enough the oldest do. */
  async #forgetOld(): Promise<void> {
    const now = this.#clock.now();
    const rows = await this.#store.list<SessionRow>({ kind: SESSION, limit: 1_000 });
    const ended = rows.filter(({ value }) => value.expiresAt <= now).slice(0, FORGET_MAX);
    const crowded = (await this.#store.count({ kind: SESSION })) - ended.length >= SESSIONS_MAX;
    const oldest = (a: Doc<SessionRow>, b: Doc<SessionRow>) => a.value.createdAt - b.value.createdAt;
    const gone = crowded ? [...rows].sort(oldest).slice(0, FORGET_MAX) : ended;
    const writes = gone.map(({ id }): Write => ({ op: 'delete', kind: SESSION, id }));
    if (writes.length > 0) await this.#store.commit(writes);
  }
}

function over(detail: string): ArcError {
  return new ArcError('unauthorized', detail, { hint: 'Sign in with a key.' });
}
